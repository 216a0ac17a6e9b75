// What each kernel takes of a streaming multiprocessor, from what ptxas says: registers, shared memory, spills, and from
// them the occupancy. A kernel that spills or keeps a stack frame is slow in a way that no test on a CPU shows.

/** Limits of a multiprocessor: CUDA C++ Programming Guide, compute capabilities. */
const MULTIPROCESSORS = {
  sm_86: { warps: 48, blocks: 16, registers: 65_536, sharedBytes: 100 * 1024 },
  sm_90: { warps: 64, blocks: 32, registers: 65_536, sharedBytes: 228 * 1024 },
};
const WARP = 32;
const REGISTERS_STEP = 256; // a warp's registers are given in such portions
const SHARED_RESERVED = 1024; // of each block, by the system
const SHARED_STEP = 128;

/**
 * The kernels in the output of `nvcc -Xptxas -v`.
 *
 * @param {string} output
 * @returns {{ kernel: string, architecture: string, registers: number, stackBytes: number, spillBytes: number,
 *   sharedBytes: number }[]} `kernel` is the mangled name
 */
export function parseResources(output) {
  const pattern =
    /Compiling entry function '(\w+)' for '(sm_\w+)'\n.*?\n\s*(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers(?:.*?(\d+) bytes smem)?[^\n]*/g;
  return [...output.matchAll(pattern)].map(
    ([, kernel, architecture, stack, stores, loads, registers, shared]) => ({
      ...{ kernel, architecture, registers: Number(registers), stackBytes: Number(stack) },
      ...{ spillBytes: Number(stores) + Number(loads), sharedBytes: Number(shared ?? 0) },
    }),
  );
}

/**
 * The part of a multiprocessor's warps that can be there at once, 0 to 1.
 *
 * @param {{ registers: number, sharedBytes: number }} kernel
 * @param {number} threads of a block
 * @param {keyof typeof MULTIPROCESSORS} architecture
 */
export function occupancy({ registers, sharedBytes }, threads, architecture) {
  const limits = MULTIPROCESSORS[architecture];
  const up = (value, step) => Math.ceil(value / step) * step;
  const warps = Math.ceil(threads / WARP);
  const warpsByRegisters = Math.floor(limits.registers / up(Math.max(registers, 1) * WARP, REGISTERS_STEP));
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.warps / warps),
    Math.floor(warpsByRegisters / warps),
    Math.floor(limits.sharedBytes / up(sharedBytes + SHARED_RESERVED, SHARED_STEP)),
  );
  return (blocks * warps) / limits.warps;
}

/** As the table has it. */
const rounded = (part) => Math.round(part * 1000) / 1000;

/**
 * What speaks against the kernels, a line each: spills, stack frames, kernels that `table` lacks or that are gone, and more
 * registers, more shared memory or a lower occupancy than `table` has.
 *
 * @param {readonly { kernel: string, architecture: string, registers: number, stackBytes: number, spillBytes: number,
 *   sharedBytes: number }[]} kernels with readable names
 * @param {Record<string, { threads: number } & Record<string, { registers: number, sharedBytes: number,
 *   occupancy: number }>>} table
 */
export function complaints(kernels, table) {
  const found = [];
  for (const { kernel, architecture, ...taken } of kernels) {
    const where = `${kernel} on ${architecture}`;
    if (taken.spillBytes > 0) found.push(`${where}: ${taken.spillBytes} bytes of registers are spilled`);
    if (taken.stackBytes > 0) found.push(`${where}: a stack frame of ${taken.stackBytes} bytes`);
    const known = table[kernel]?.[architecture];
    if (!known) {
      found.push(
        `${where}: not in the table; add "${kernel}": { "threads": those of a block }, then --update`,
      );
      continue;
    }
    const now = { ...taken, occupancy: rounded(occupancy(taken, table[kernel].threads, architecture)) };
    for (const [name, isWorse] of [
      ["registers", now.registers > known.registers],
      ["sharedBytes", now.sharedBytes > known.sharedBytes],
      ["occupancy", now.occupancy < known.occupancy],
    ])
      if (isWorse) found.push(`${where}: ${name} ${now[name]}, was ${known[name]}`);
  }
  const names = new Set(kernels.map(({ kernel }) => kernel));
  for (const kernel of Object.keys(table))
    if (!names.has(kernel)) found.push(`${kernel}: in the table, but gone`);
  return found;
}

/** The table of `kernels`; threads a block, of which ptxas says nothing, as the old `table` has them: without, a kernel is left out. */
export function tableOf(kernels, table) {
  const result = {};
  for (const { kernel, architecture, registers, sharedBytes } of kernels) {
    const threads = table[kernel]?.threads;
    if (threads === undefined) continue;
    result[kernel] ??= { threads };
    const full = occupancy({ registers, sharedBytes }, threads, architecture);
    result[kernel][architecture] = { registers, sharedBytes, occupancy: rounded(full) };
  }
  return Object.fromEntries(Object.entries(result).sort(([a], [b]) => (a < b ? -1 : 1)));
}
