/** What `npm run build:cuda-check` makes of ptxas's output. */
import { expect, it } from "vitest";
// @ts-expect-error A script of the tests, without types.
import { complaints, occupancy, parseResources, tableOf } from "../cuda-check/resources.mjs";

const output = `
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4addv' for 'sm_86'
ptxas info    : Function properties for _Z4addv
    112 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 4096 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 3.1 ms
ptxas info    : Compiling entry function '_Z4addv' for 'sm_90'
ptxas info    : Function properties for _Z4addv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 26 registers, used 0 barriers
`;

it("reads registers, shared memory, stack frames and spills of each architecture", () => {
  expect(parseResources(output)).toEqual([
    {
      ...{ kernel: "_Z4addv", architecture: "sm_86", registers: 40, stackBytes: 112 },
      ...{ spillBytes: 12, sharedBytes: 4096 },
    },
    {
      ...{ kernel: "_Z4addv", architecture: "sm_90", registers: 26, stackBytes: 0 },
      ...{ spillBytes: 0, sharedBytes: 0 },
    },
  ]);
});

// By hand, from the limits in the CUDA programming guide.
it.each([
  [{ registers: 32, sharedBytes: 0 }, 256, "sm_86", 1],
  [{ registers: 64, sharedBytes: 0 }, 256, "sm_86", 32 / 48],
  [{ registers: 64, sharedBytes: 0 }, 256, "sm_90", 0.5],
  [{ registers: 32, sharedBytes: 48 * 1024 }, 128, "sm_86", 8 / 48],
  [{ registers: 32, sharedBytes: 0 }, 1024, "sm_86", 32 / 48],
  [{ registers: 255, sharedBytes: 0 }, 256, "sm_90", 8 / 64],
])("occupancy of %j in blocks of %d on %s is %d", (kernel, threads, architecture, expected) => {
  expect(occupancy(kernel, threads, architecture)).toBeCloseTo(expected, 10);
});

it("complains of spills, of stack frames, and of what is worse than the table", () => {
  const kernels = parseResources(output);
  expect(complaints(kernels, {})).toEqual([
    expect.stringMatching(/12 bytes of registers are spilled/),
    expect.stringMatching(/stack frame of 112 bytes/),
    expect.stringMatching(/sm_86: not in the table/),
    expect.stringMatching(/sm_90: not in the table/),
  ]);
  const clean = kernels.slice(1);
  const table = tableOf(clean, { _Z4addv: { threads: 256 } });
  expect(complaints(clean, table)).toEqual([]);
  // Of how many threads a block has nobody can guess.
  expect(tableOf(clean, {})).toEqual({});
  // Two thirds are no fewer than 0.667.
  const thirds = { ...clean[0], kernel: "third", architecture: "sm_86" };
  const large = tableOf([thirds], { third: { threads: 1024 } });
  expect(complaints([thirds], large)).toEqual([]);
  expect(complaints([{ ...clean[0], registers: 80 }], table)).toEqual([
    expect.stringMatching(/registers 80, was 26/),
    expect.stringMatching(/occupancy 0\.375, was 1/),
  ]);
  expect(complaints([], table)).toEqual([expect.stringMatching(/gone/)]);
});
