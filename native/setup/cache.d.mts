/** The folder that everything fetched is kept in: `RAT_CACHE`, else one of the user's cache folder. */
export function cacheFolder(env?: NodeJS.ProcessEnv): string;
/** Bytes of everything below a folder; 0 if it is not there. */
export function sizeOf(folder: string): number;
