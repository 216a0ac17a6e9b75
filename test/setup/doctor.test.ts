/** The diagnosis, above all where something is missing. */
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { diagnose, renderDiagnosis } from "#dist/doctor.js";
import { fakeLibTorch, fakeMachine } from "./machine.js";

afterEach(() => vi.unstubAllEnvs());

/** Points this process at a made-up machine. */
function moveTo(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

describe("diagnose", () => {
  it("finds the addon of this build usable and survives JSON", async () => {
    const diagnosis = await diagnose();
    expect(diagnosis.addon).toMatchObject({ loadable: true, error: null });
    expect(diagnosis.addon.info?.libtorchVersion).toBe(diagnosis.addon.libtorch?.version);
    expect(diagnosis.threads.hardware).toBeGreaterThan(0);
    expect(JSON.parse(JSON.stringify(diagnosis))).toEqual(diagnosis);
  });

  it("works without an addon, a compiler or a LibTorch, and says what to install", async () => {
    const { folder, cache, env } = await fakeMachine();
    moveTo({ ...env, RAT_ADDON_BUILD: folder });
    const diagnosis = await diagnose();
    expect(diagnosis).toMatchObject({ ok: false, libtorch: null, cache: { folder: cache, bytes: 0 } });
    const text = renderDiagnosis(diagnosis);
    for (const part of ["npx r-at setup", "install g++", "install cmake", "RAT_LIBTORCH", "Not ready."]) {
      expect(text).toContain(part);
    }
  });

  it("says loudly that a GPU would not be used", async () => {
    const { folder, env, program } = await fakeMachine();
    await program("nvidia-smi", "echo 'NVIDIA A10, 24576, 580.10'");
    const named = await fakeLibTorch(join(folder, "named"));
    moveTo({ ...env, RAT_CUDA: "", RAT_ADDON_BUILD: folder, RAT_LIBTORCH: named });
    const diagnosis = await diagnose();
    expect(diagnosis.driver?.gpus).toMatchObject([{ name: "NVIDIA A10" }]);
    expect(renderDiagnosis(diagnosis)).toMatch(/WARNING: THE GPU WOULD NOT BE USED: .*CPU only/);
  });

  it("says which LibTorch was passed over and what the cache holds", async () => {
    const { folder, cache, env } = await fakeMachine();
    const copy = join(cache, "libtorch/torch-2.10.0-cpu");
    await fakeLibTorch(join(copy, "torch"), { version: "2.10.0+cpu" });
    moveTo({ ...env, RAT_ADDON_BUILD: folder });
    const text = renderDiagnosis(await diagnose());
    expect(text).toMatch(
      /2\.10\.0\+cpu from cache: passed over; version 2\.10\.0\+cpu is not in the supported range/,
    );
    expect(text).toContain(`${copy}, 0.0 GB`);
  });
});
