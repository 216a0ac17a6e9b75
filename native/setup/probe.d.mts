/** What a LibTorch folder is. */
export interface LibTorch {
  readonly path: string;
  /** As `2.13.0+cpu`; `unknown` if it cannot be read. */
  readonly version: string;
  /** Whether it has the CUDA library. */
  readonly cuda: boolean;
  /** The CUDA release it was built with, as `13.0`. */
  readonly cudaVersion: string | undefined;
  readonly cxx11Abi: boolean;
  /** Libraries that its CUDA side needs and the loader would not find. */
  readonly missingCudaLibraries: readonly string[];
  /** Why it cannot be built against. */
  readonly problem?: string;
}

/** A place where LibTorch was looked for. */
export interface Candidate {
  /** `RAT_LIBTORCH`, `LIBTORCH`, `python3 (path)` or `cache`. */
  readonly from: string;
  readonly path: string;
  readonly taken: boolean;
  /** Why it was taken or passed over. */
  readonly reason: string;
  readonly libtorch: LibTorch;
}

export interface Python {
  readonly version: string;
  readonly executable: string;
  /** Folder of its torch package. */
  readonly torch: string | undefined;
  readonly pip: boolean;
}

export interface Driver {
  readonly version: string;
  /** Empty where `nvidia-smi` is missing. */
  readonly gpus: readonly { readonly name: string; readonly memoryBytes: number }[];
}

export interface Tool {
  readonly path: string;
  readonly version: string;
  /** First line of what `--version` prints. */
  readonly description: string;
}

export interface Toolchain {
  readonly compiler: Tool | undefined;
  readonly cmake: Tool | undefined;
  readonly ninja: Tool | undefined;
  readonly make: Tool | undefined;
  readonly nvcc: Tool | undefined;
}

export interface Machine {
  readonly python: Python | undefined;
  readonly driver: Driver | undefined;
  readonly tools: Toolchain;
  /** Places looked at, in order. */
  readonly candidates: readonly Candidate[];
  readonly chosen: Candidate | undefined;
  /** What is wrong with the folder that the user named. */
  readonly problem: { readonly message: string; readonly remedy: string } | undefined;
  /** Whether the chosen version is one that the project is tested with. */
  readonly tested: boolean;
  /** Whether the next build would compile CUDA; `warn`: it will not, though the machine suggests it. */
  readonly cuda: { readonly cuda: boolean; readonly reason: string; readonly warn: boolean } | undefined;
  readonly cache: { readonly folder: string; readonly copies: readonly { readonly path: string; readonly bytes: number }[] };
}

/** The package's root folder. */
export const ROOT: string;
export function probeMachine(env?: NodeJS.ProcessEnv): Promise<Machine>;
