/** Models and data sets of the hub, from a server on this machine that also fails in every way. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RATErrorCode } from "#dist/errors.js";
import { fetchDataset } from "#dist/hub/fetch-dataset.js";
import { fetchModel } from "#dist/hub/fetch-model.js";
import { parseModelName } from "#dist/hub/repository.js";
import { adviceFor } from "#dist/models/hub-names.js";
import { expectError } from "../support/expect-error.js";
import { COMMIT, type HubServer, type RepositoryFiles, startHub } from "./server.js";

/** Large enough to come in several pieces. */
const weights = Buffer.alloc(3_000_000, "weights");
const model: RepositoryFiles = {
  "config.json": "{}",
  "tokenizer.json": "{}",
  "tokenizer_config.json": "{}",
  "vocab.txt": "not needed",
  "model.safetensors": weights,
  "pytorch_model.bin": "not wanted",
  "README.md": "not wanted",
};

let cache: string;
let hub: HubServer;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "rat-hub-"));
  vi.stubEnv("HF_HUB_CACHE", cache);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("HF_HOME", cache);
  vi.stubEnv("HF_HUB_OFFLINE", "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub?.[Symbol.asyncDispose]();
  await rm(cache, { recursive: true, force: true });
});

async function serving(files: RepositoryFiles = model, name = "owner/name"): Promise<void> {
  hub = await startHub({ [name]: files });
  vi.stubEnv("HF_ENDPOINT", hub.url);
}

const blobsOf = (name: string) => join(cache, name, "blobs");
const incomplete = async () =>
  (await readdir(blobsOf("models--owner--name"))).filter((name) => name.endsWith(".incomplete"));

describe("fetchModel", () => {
  it("fetches what is needed and nothing else, into the layout that Python shares", async () => {
    await serving();
    const folder = await fetchModel("owner/name");
    expect(folder).toBe(join(cache, "models--owner--name/snapshots", COMMIT));
    expect((await readdir(folder)).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
    expect(await readlink(join(folder, "model.safetensors"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(await readlink(join(folder, "config.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(await readFile(join(cache, "models--owner--name/refs/main"), "utf8")).toBe(COMMIT);
  });

  it("asks the network no second time, not even whether there is news", async () => {
    await serving();
    await fetchModel("owner/name");
    const { length } = hub.requests;
    expect(await fetchModel("owner/name")).toContain(COMMIT);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await fetchModel("owner/name")).toContain(COMMIT);
    expect(hub.requests).toHaveLength(length);
  });

  it("takes a revision after an @", async () => {
    await serving();
    await fetchModel("owner/name@v1");
    expect(await readdir(join(cache, "models--owner--name/refs"))).toEqual(["v1"]);
    await fetchModel(`owner/name@${COMMIT}`);
    await expectError(() => fetchModel("owner/name@v2"), "ERR_RAT_PATH", /revision v2.*does not exist/);
  });

  it("fetches the vocabulary files where there is no tokenizer.json, and the parts that an index names", async () => {
    const index = {
      weight_map: { a: "model-1.safetensors", b: "model-2.safetensors", c: "model-1.safetensors" },
    };
    await serving({
      ...{ "config.json": "{}", "vocab.json": "{}", "merges.txt": "", "spiece.model": "x" },
      "model.safetensors.index.json": JSON.stringify(index),
      "model-1.safetensors": "1",
      "model-2.safetensors": "2",
      "model-3.safetensors": "3",
    });
    expect((await readdir(await fetchModel("owner/name"))).sort()).toEqual([
      ...["config.json", "merges.txt", "model-1.safetensors", "model-2.safetensors"],
      ...["model.safetensors.index.json", "vocab.json"],
    ]);
  });

  it("tells how many bytes have come", async () => {
    await serving();
    const seen: [number, number][] = [];
    await fetchModel("owner/name", { onProgress: (received, total) => seen.push([received, total]) });
    const total = weights.length + 6;
    expect(seen.at(-1)).toEqual([total, total]);
    expect(seen.every(([received], i) => received >= (seen[i - 1]?.[0] ?? 0))).toBe(true);
  });

  it("sends HF_TOKEN, or the token that was saved at login", async () => {
    await serving();
    vi.stubEnv("HF_TOKEN", "hf_secret");
    await fetchModel("owner/name");
    expect(new Set(hub.requests.map(({ token }) => token))).toEqual(new Set(["Bearer hf_secret"]));
    vi.stubEnv("HF_TOKEN", "");
    await writeFile(join(cache, "token"), "saved\n");
    await fetchModel("owner/name@v1");
    expect(hub.requests.at(-1)?.token).toBe("Bearer saved");
  });

  it("does not send the token where the hub redirects to", async () => {
    await serving();
    await using other = await startHub({ "owner/name": model });
    hub.intercept = (path, response) => {
      if (!path.endsWith("model.safetensors")) return false;
      response.writeHead(302, { Location: other.url.replace("127.0.0.1", "localhost") + path }).end();
      return true;
    };
    vi.stubEnv("HF_TOKEN", "hf_secret");
    await fetchModel("owner/name");
    expect(other.requests).toMatchObject([{ token: undefined }]);
  });

  it("goes on after broken connections where they broke", async () => {
    await serving();
    let breaks = 0;
    hub.intercept = (path, response, { headers }) => {
      if (!path.endsWith("model.safetensors") || breaks >= 4) return false;
      breaks++;
      const start = Number(/\d+/.exec(headers.range ?? "0"));
      response.writeHead(start === 0 ? 200 : 206, { "Content-Length": weights.length - start });
      response.write(weights.subarray(start, start + 500_000), () => response.destroy());
      return true;
    };
    const folder = await fetchModel("owner/name");
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
    const ranges = hub.requests.filter(({ path }) => path.endsWith(".safetensors")).map(({ range }) => range);
    expect(ranges).toHaveLength(5);
    expect(ranges.slice(1).every((range) => range !== undefined && range !== "bytes=0-")).toBe(true);
  });

  it("takes up in a later call what an earlier one left, and sees if it was damaged meanwhile", async () => {
    await serving();
    hub.intercept = (path, response) => {
      if (!path.endsWith("model.safetensors")) return false;
      response.writeHead(200, { "Content-Length": weights.length });
      response.write(weights.subarray(0, 1_000_000));
      return true;
    };
    const stop = new AbortController();
    const onProgress = (received: number) => {
      if (received > 900_000) stop.abort(new Error("enough"));
    };
    await expectError(
      () => fetchModel("owner/name", { signal: stop.signal, onProgress }),
      "ERR_RAT_ABORTED",
      /aborted/,
    );
    const [left = ""] = await incomplete();
    hub.intercept = () => false;
    hub.requests.length = 0;
    await fetchModel("owner/name");
    const { range } = hub.requests.find(({ path }) => path.endsWith(".safetensors")) ?? {};
    expect(Number(/\d+/.exec(range ?? "")?.[0])).toBeGreaterThan(500_000);

    await rm(join(cache, "models--owner--name/snapshots"), { recursive: true });
    await rm(join(blobsOf("models--owner--name"), left.replace(".incomplete", "")));
    await writeFile(join(blobsOf("models--owner--name"), left), Buffer.alloc(1_000_000, "other"));
    const folder = await fetchModel("owner/name");
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
  });

  it("begins again where the server knows no ranges", async () => {
    await serving();
    let first = true;
    hub.intercept = (path, response) => {
      if (!path.endsWith("model.safetensors")) return false;
      response.writeHead(200, { "Content-Length": weights.length });
      if (first) response.write(weights.subarray(0, 500_000), () => response.destroy());
      else response.end(weights);
      first = false;
      return true;
    };
    const folder = await fetchModel("owner/name");
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
  });

  it("waits where the server asks for it", async () => {
    await serving();
    let refused = 0;
    hub.intercept = (_, response) => {
      if (refused >= 2) return false;
      refused++;
      response.writeHead(refused === 1 ? 429 : 503, { "Retry-After": "0" }).end();
      return true;
    };
    await fetchModel("owner/name");
    expect(refused).toBe(2);
  });

  it("waits for another process that fetches the same, and finds its files", async () => {
    await serving();
    const folders = await Promise.all([fetchModel("owner/name"), fetchModel("owner/name")]);
    expect(new Set(folders).size).toBe(1);
    expect(hub.requests.filter(({ path }) => path.endsWith(".safetensors"))).toHaveLength(1);
  });

  it("is no network for what is a path", async () => {
    await serving();
    for (const path of ["./owner/name", "/nowhere/model", "a/b/c", "..", "name", "lib/nothing", "owner/.."]) {
      expect(await fetchModel(path)).toBe(path);
    }
    expect(hub.requests).toEqual([]);
  });

  const status =
    (code: number) =>
    (_: string, response: { writeHead: (code: number, headers: object) => { end: () => void } }) => {
      response.writeHead(code, { "Retry-After": "0" }).end();
      return true;
    };
  it.each<[number, RATErrorCode, RegExp]>([
    [401, "ERR_RAT_NETWORK", /HF_TOKEN/],
    [403, "ERR_RAT_NETWORK", /gated/],
    [404, "ERR_RAT_PATH", /does not exist/],
    [429, "ERR_RAT_NETWORK", /try later/],
    [500, "ERR_RAT_NETWORK", /500/],
  ])("bad call - the server answers %i", { timeout: 20_000 }, async (code, error, words) => {
    await serving();
    hub.intercept = status(code) as HubServer["intercept"];
    await expectError(() => fetchModel("owner/name"), error, words);
    hub.intercept = (path, ...rest) =>
      path.endsWith("model.safetensors") && (status(code) as HubServer["intercept"])(path, ...rest);
    await expectError(() => fetchModel("owner/name"), error, words);
  });

  it("bad call - other bytes than the hub lists: they are not kept", async () => {
    await serving();
    hub.intercept = (path, response) => {
      if (!path.endsWith("model.safetensors")) return false;
      response.end(Buffer.alloc(weights.length, "x"));
      return true;
    };
    await expectError(
      () => fetchModel("owner/name"),
      "ERR_RAT_HASH_MISMATCH",
      /model\.safetensors of owner\/name/,
    );
    expect(await incomplete()).toEqual([]);
    hub.intercept = () => false;
    expect(existsSync(join(await fetchModel("owner/name"), "model.safetensors"))).toBe(true);
  });

  it("bad call - more bytes than the hub lists", { timeout: 20_000 }, async () => {
    await serving();
    hub.intercept = (path, response) => {
      if (!path.endsWith("config.json")) return false;
      response.end("{} and more");
      return true;
    };
    await expectError(() => fetchModel("owner/name"), "ERR_RAT_NETWORK", /more than it should/);
  });

  it.each(["../evil.json", "a/../../evil", "/etc/evil", "C:evil", "a\\b"])(
    "bad call - the hub lists %s",
    async (name) => {
      await serving({ ...model, [name]: "x" });
      await expectError(() => fetchModel("owner/name"), "ERR_RAT_PATH", /no file inside/);
      expect(existsSync(join(cache, "evil.json"))).toBe(false);
    },
  );

  it.each(["../evil.safetensors", "a/b.safetensors", ".."])("bad call - an index names %s", async (name) => {
    const { "model.safetensors": _, ...rest } = model;
    await serving({ ...rest, "model.safetensors.index.json": JSON.stringify({ weight_map: { a: name } }) });
    await expectError(() => fetchModel("owner/name"), "ERR_RAT_PATH", /not a file of that folder/);
  });

  it("bad call - a repository with a pickle only", async () => {
    await serving({ "config.json": "{}", "tokenizer.json": "{}", "pytorch_model.bin": "x" });
    await expectError(() => fetchModel("owner/name"), "ERR_RAT_UNSAFE_FORMAT", /pytorch_model\.bin/);
  });

  it("bad call - no network, or none allowed", { timeout: 20_000 }, async () => {
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:9");
    await expectError(() => fetchModel("owner/name"), "ERR_RAT_NETWORK", /cannot be reached/);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expectError(() => fetchModel("owner/name"), "ERR_RAT_NETWORK", /HF_HUB_OFFLINE/);
  });
});

describe("fetchDataset", () => {
  const glue = {
    "rte/train-00000-of-00001.parquet": "t",
    "rte/validation-00000-of-00001.parquet": "v",
    "cola/train-00000-of-00001.parquet": "c",
    "README.md": "x",
  };

  it("puts a task's files into a folder, and keeps what is there", async () => {
    await serving(glue, "datasets/nyu-mll/glue");
    const target = join(cache, "data/rte");
    await mkdir(target, { recursive: true });
    await writeFile(join(target, "train-00000-of-00001.parquet"), "mine");
    expect(await fetchDataset("rte", target)).toEqual(
      ["train", "validation"].map((split) => join(target, `${split}-00000-of-00001.parquet`)),
    );
    expect(await readFile(join(target, "train-00000-of-00001.parquet"), "utf8")).toBe("mine");
    expect(await readFile(join(target, "validation-00000-of-00001.parquet"), "utf8")).toBe("v");
    expect((await readdir(target)).length).toBe(2);
  });

  it("bad call - a task that the hub does not have", async () => {
    await expectError(() => fetchDataset("custom", cache), "ERR_RAT_INVALID_ARG", /cola, sst2/);
  });
});

describe("names", () => {
  it.each<[string, string | undefined]>([
    ["owner/name", "main"],
    ["google-bert/bert-base-uncased@v1.0", "v1.0"],
    ["a/b@refs/pr/1", "refs/pr/1"],
    ["a/b@../x", undefined],
    ["a/b@", undefined],
    ["a/b@c@d", undefined],
    ["a..b/c", undefined],
    ["-a/b", undefined],
    ["name", undefined],
  ])("%s is revision %s", (text, revision) => {
    expect(parseModelName(text)?.revision).toBe(revision);
  });

  it("knows who owns what is called by a bare name", () => {
    expect(adviceFor("bert-base-uncased")).toContain("google-bert/bert-base-uncased");
    expect(adviceFor("xlm-roberta-base")).toContain("FacebookAI/xlm-roberta-base");
    expect(adviceFor("something")).toContain("owner/name");
  });
});
