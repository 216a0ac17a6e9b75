/** Takes away all that a build leaves but what runs. */
export function prune(root: string): void;
