/** A small Hugging Face hub on this machine: repositories in memory, and ways to fail. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubServer extends AsyncDisposable {
  readonly url: string;
  /** Method, path and token of each request. */
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly token: string | undefined;
  }[];
  /** Decides about a request before it is answered; true: it has been answered. */
  intercept: (path: string, response: ServerResponse, request: IncomingMessage) => boolean;
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export type RepositoryFiles = Readonly<Record<string, string | Uint8Array>>;

/** Files above this size are "large": listed by their SHA-256. */
const LARGE = 1_000;

/** @param repositories - By `owner/name`; of data sets by `datasets/owner/name`. */
export async function startHub(repositories: Readonly<Record<string, RepositoryFiles>>): Promise<HubServer> {
  const requests: HubServer["requests"] = [];
  const hub = { intercept: () => false } as unknown as { -readonly [K in keyof HubServer]: HubServer[K] };
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? "").split("?")[0] ?? "");
    const { range, authorization } = request.headers;
    requests.push({ path, range, token: authorization });
    if (!hub.intercept(path, response, request)) answer(repositories, path, range, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(hub, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function answer(
  repositories: Readonly<Record<string, RepositoryFiles>>,
  path: string,
  range: string | undefined,
  response: ServerResponse,
): void {
  const json = (value: unknown) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(value));
  };
  const notFound = () => {
    response.statusCode = 404;
    json({ error: "Repository not found" });
  };
  const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)\/?(.*)$/.exec(path);
  if (api) {
    const [, kind, name, what, revision = "", folder = ""] = api;
    const files = repositories[kind === "datasets" ? `datasets/${name}` : (name ?? "")];
    if (!files || !["main", "v1", COMMIT].includes(revision)) notFound();
    else if (what === "revision")
      json({ _id: "1", id: name, sha: COMMIT, lastModified: "2024-01-01T00:00:00Z" });
    else {
      const entries = Object.entries(files).filter(
        ([file]) => folder === "" || file.startsWith(`${folder}/`),
      );
      json(entries.map(([file, content]) => ({ type: "file", path: file, ...listed(content) })));
    }
    return;
  }
  const [, type = "", name = "", file = ""] =
    /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? [];
  const content = repositories[type + name]?.[file];
  if (content === undefined) {
    notFound();
    return;
  }
  const bytes = Buffer.from(content as string);
  const start = Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
  if (range !== undefined) {
    response.statusCode = 206;
    response.setHeader("Content-Range", `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
  }
  response.setHeader("Content-Length", bytes.length - start);
  response.end(bytes.subarray(start));
}

/** How the hub lists a file. */
function listed(content: string | Uint8Array) {
  const bytes = Buffer.from(content as string);
  const oid = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  if (bytes.length <= LARGE) return { size: bytes.length, oid };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { size: bytes.length, oid, lfs: { oid: sha256, size: bytes.length, pointerSize: 130 } };
}
