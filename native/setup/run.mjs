// Runs other programs. Never through a shell, so that paths with blanks or non-ASCII letters need no quoting.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * Runs a program and collects what it says. Does not throw: a program that cannot be started has `code` null.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, timeoutMs?: number, onLine?: (line: string) => void }} [options]
 *   `onLine`: told of the lines of its stdout as they come
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string }>}
 */
export function run(command, args, { env = process.env, cwd, timeoutMs, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
    // Not spawn's own timeout: that one keeps the process alive when the program does not exist.
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill(), timeoutMs);
    const end = (result) => {
      clearTimeout(timer);
      resolve(result);
    };
    const text = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"]) {
      child[stream].setEncoding("utf8");
      child[stream].on("data", (chunk) => {
        text[stream] += chunk;
      });
    }
    if (onLine) createInterface({ input: child.stdout }).on("line", onLine);
    child.on("error", (error) => end({ code: null, stdout: text.stdout, stderr: error.message }));
    child.on("close", (code) => end({ code, ...text }));
  });
}

/** The last lines that are not empty, for a message. */
export function lastLines(text, count = 4) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(-count)
    .join("\n    ");
}
