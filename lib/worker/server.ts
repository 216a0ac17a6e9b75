/** The worker's side of a worker thread: answers calls one at a time, the ones its owner is blocked on first. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { fromNative } from "../errors.js";
import { ANSWERED, type Calls, EXITED, type Reply, type Request, type WorkerStart } from "./protocol.js";

/** One function for each call. */
export type Handlers<C extends Calls<C>> = {
  readonly [K in keyof C]: (input: C[K]["input"]) => C[K]["output"] | Promise<C[K]["output"]>;
};

interface Job {
  readonly request: Extract<Request, { kind: "call" }>;
  readonly reply: (reply: Reply, transfer: ArrayBuffer[]) => void;
}

/**
 * Serves the owner of this worker thread until it closes the worker. A failure of `open` is the answer to every call.
 *
 * @param open - makes the handlers from the data that the worker was started with.
 */
export function serve<D, C extends Calls<C>>(open: (data: D) => Handlers<C> | Promise<Handlers<C>>): void {
  if (parentPort === null) throw new Error("serve() runs only in a worker thread");
  const owner: MessagePort = parentPort;
  const { data, syncPort, flags } = workerData as WorkerStart<D>;
  const handlers = (async () => open(data))();
  handlers.catch(() => {}); // told to whoever calls

  const queue: Job[] = [];
  let isBusy = false;
  let isClosing = false;

  const close = () => {
    owner.close();
    syncPort.close();
  };

  // One call at a time: the native tokenizer's truncation is a setting, and two batches may ask for different ones.
  const drain = async () => {
    if (isBusy) return;
    isBusy = true;
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await answer(job, handlers);
    isBusy = false;
    if (isClosing) close();
  };

  owner.on("message", (request: Request) => {
    if (request.kind === "close") {
      // Terminating the thread from outside could end it under a native task; so it ends itself between two calls.
      isClosing = true;
      queue.length = 0;
      if (!isBusy) close();
      return;
    }
    queue.push({ request, reply: (reply, transfer) => owner.postMessage(reply, transfer) });
    void drain();
  });
  syncPort.on("message", (request: Request) => {
    if (request.kind === "close") return;
    const reply = (message: Reply, transfer: ArrayBuffer[]) => {
      syncPort.postMessage(message, transfer);
      Atomics.store(flags, ANSWERED, 1);
      Atomics.notify(flags, ANSWERED);
    };
    queue.unshift({ request, reply });
    void drain();
  });
  // A blocked owner hears of no event, so it must be woken if the worker ends without an answer.
  process.on("exit", () => {
    Atomics.store(flags, EXITED, 1);
    Atomics.store(flags, ANSWERED, 1);
    Atomics.notify(flags, ANSWERED);
  });
}

async function answer<C extends Calls<C>>(job: Job, handlers: Promise<Handlers<C>>): Promise<void> {
  const { id, name, input } = job.request;
  try {
    const output = await (await handlers)[name as keyof C](input);
    job.reply({ id, output }, buffersOf(output));
  } catch (error) {
    const { code, message } = fromNative(error);
    job.reply({ id, failure: { code, message } }, []);
  }
}

function buffersOf(output: object): ArrayBuffer[] {
  return Object.values(output).flatMap((value: unknown) =>
    ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? [value.buffer] : [],
  );
}
