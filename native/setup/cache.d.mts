/** The folder that everything fetched is kept in: `RAT_CACHE`, else one of the user's cache folder. */
export function cacheFolder(env?: NodeJS.ProcessEnv): string;
