/** Checks one C++ file, named by its path below native/, against the rules. */
export function breaches(file: string, source: string): { line: number; why: string }[];
export function codeOnly(source: string): string;
