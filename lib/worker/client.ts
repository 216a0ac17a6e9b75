/**
 * The owner's side of a worker thread: starts it at the first call, keeps the process alive only while a call is
 * pending, turns a crash into an error of the pending calls, and can wait for an answer without returning to the event
 * loop.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { RATError } from "../errors.js";
import { ANSWERED, type Calls, EXITED, type Reply, type Request, type WorkerStart } from "./protocol.js";

/** Longest that a synchronous call waits; only a broken worker takes this long. */
const SYNC_TIMEOUT_MS = 120_000;
/** Longest that `dispose` waits for the call in progress before it ends the thread by force. */
const CLOSE_TIMEOUT_MS = 10_000;

interface Thread {
  readonly worker: Worker;
  readonly syncPort: MessagePort;
  readonly flags: Int32Array;
  readonly exited: Promise<void>;
}

interface PendingCall {
  readonly resolve: (output: object) => void;
  readonly reject: (error: RATError) => void;
}

/** A worker thread that answers the calls `C`. A worker that crashed is started again by the next call. */
export class WorkerClient<D, C extends Calls<C>> {
  readonly #url: URL;
  readonly #data: D;
  readonly #what: string;
  readonly #pending = new Map<number, PendingCall>();
  #thread: Thread | undefined;
  #nextId = 1;
  #disposal: Promise<void> | undefined;

  /**
   * @param url - the worker's module, which calls `serve`.
   * @param data - what the worker starts with; must be cloneable.
   * @param what - a noun for messages, as "tokenizer".
   */
  constructor(url: URL, data: D, what: string) {
    this.#url = url;
    this.#data = data;
    this.#what = what;
  }

  /**
   * Makes a call.
   *
   * @throws RATError (rejects) what the call fails with, `ERR_RAT_DISPOSED`, or `ERR_RAT_INTERNAL` if the worker crashes.
   */
  call<K extends keyof C & string>(name: K, input: C[K]["input"]): Promise<C[K]["output"]> {
    return new Promise((resolve, reject) => {
      this.#throwIfDisposed();
      const { worker } = this.#start();
      const id = this.#nextId++;
      worker.postMessage({ kind: "call", id, name, input } satisfies Request);
      this.#pending.set(id, { resolve, reject });
      worker.ref();
    });
  }

  /**
   * Makes a call and blocks the calling thread until it is answered.
   *
   * @throws RATError as {@link call} rejects with.
   */
  callSync<K extends keyof C & string>(name: K, input: C[K]["input"]): C[K]["output"] {
    this.#throwIfDisposed();
    const { syncPort, flags, worker } = this.#start();
    const id = this.#nextId++;
    Atomics.store(flags, ANSWERED, 0);
    syncPort.postMessage({ kind: "call", id, name, input } satisfies Request);
    // The order matters: the worker's exit sets EXITED before ANSWERED, so it is seen here or it ends the wait.
    if (Atomics.load(flags, EXITED) === 0) Atomics.wait(flags, ANSWERED, 0, SYNC_TIMEOUT_MS);
    const received = receiveMessageOnPort(syncPort) as { message: Reply } | undefined;
    if (received === undefined) {
      const how = Atomics.load(flags, EXITED) === 0 ? "did not answer in time" : "ended unexpectedly";
      const error = this.#crash(how);
      this.#forget(worker, error);
      void worker.terminate();
      throw error;
    }
    const reply = received.message;
    if ("failure" in reply) throw new RATError(reply.failure.code, reply.failure.message);
    return reply.output;
  }

  /** Rejects pending calls with `ERR_RAT_DISPOSED` and ends the worker. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= this.#end();
    return this.#disposal;
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#forget(thread.worker, this.#disposed());
    thread.worker.ref();
    thread.worker.postMessage({ kind: "close" } satisfies Request);
    const force = setTimeout(() => void thread.worker.terminate(), CLOSE_TIMEOUT_MS);
    await thread.exited;
    clearTimeout(force);
  }

  #start(): Thread {
    if (this.#thread !== undefined) return this.#thread;
    const { port1, port2 } = new MessageChannel();
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(this.#url, {
      workerData: { data: this.#data, syncPort: port2, flags } satisfies WorkerStart<D>,
      transferList: [port2],
      // Loaders that the process runs under (`--import tsx`) need its event loop, which a synchronous call blocks.
      execArgv: [],
    });
    worker.unref();
    worker.on("message", (reply: Reply) => this.#receive(worker, reply));
    worker.on("error", (error) => this.#forget(worker, this.#crash(`failed: ${error.message}`, error)));
    const exited = new Promise<void>((resolve) => {
      worker.once("exit", (code) => {
        this.#forget(worker, this.#crash(`ended unexpectedly with exit code ${code}`));
        port1.close();
        resolve();
      });
    });
    this.#thread = { worker, syncPort: port1, flags, exited };
    return this.#thread;
  }

  #receive(worker: Worker, reply: Reply): void {
    const call = this.#pending.get(reply.id);
    if (call === undefined) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) worker.unref();
    if ("failure" in reply) call.reject(new RATError(reply.failure.code, reply.failure.message));
    else call.resolve(reply.output);
  }

  /** Fails what is pending on `worker`; the next call starts another one. */
  #forget(worker: Worker, reason: RATError): void {
    if (this.#thread?.worker !== worker) return;
    this.#thread = undefined;
    for (const call of this.#pending.values()) call.reject(reason);
    this.#pending.clear();
  }

  #throwIfDisposed(): void {
    if (this.#disposal !== undefined) throw this.#disposed();
  }

  #disposed(): RATError {
    return new RATError("ERR_RAT_DISPOSED", `The ${this.#what} has been disposed`);
  }

  #crash(how: string, cause?: unknown): RATError {
    return new RATError("ERR_RAT_INTERNAL", `The ${this.#what}'s worker thread ${how}`, { cause });
  }
}
