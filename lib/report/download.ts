/** Shows a download: a bar on a terminal, a line at every tenth elsewhere. Nothing if there is nothing to fetch. */
import { SingleBar } from "cli-progress";

/** A display that takes what has arrived so far. */
export interface DownloadDisplay {
  readonly update: (received: number, total: number) => void;
  /** Gives the terminal back. */
  readonly stop: () => void;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** @param name - What is fetched. */
export function createDownloadDisplay(
  name: string,
  stream: NodeJS.WriteStream = process.stderr,
): DownloadDisplay {
  return stream.isTTY ? barDisplay(name, stream) : lineDisplay(name, stream);
}

function barDisplay(name: string, stream: NodeJS.WriteStream): DownloadDisplay {
  const format = `${name} {bar} {received} of {size} MB, {eta} s left`;
  const bar = new SingleBar({ stream, format, hideCursor: null, etaBuffer: 50 });
  let isShown = false;
  return {
    update(received, total) {
      const payload = { received: megabytes(received), size: megabytes(total) };
      if (isShown) bar.setTotal(total);
      else bar.start(total, received, payload);
      isShown = true;
      bar.update(received, payload);
    },
    stop: () => {
      if (isShown) bar.stop();
    },
  };
}

function lineDisplay(name: string, stream: NodeJS.WriteStream): DownloadDisplay {
  let said = -1;
  return {
    update(received, total) {
      const tenth = total === 0 ? 10 : Math.floor((10 * received) / total);
      if (tenth === said) return;
      said = tenth;
      stream.write(`${name}: ${megabytes(received)} of ${megabytes(total)} MB\n`);
    },
    stop: () => {},
  };
}
