// A middleware: reads a file of its own, and hands the request on to the handler that it is linked to.

import { getDirectories } from 'wasi:filesystem/preopens@0.2.12';
import { handle as next } from 'wasi:http/incoming-handler@0.2.12';

export const incomingHandler = {
  handle(request, out) {
    const [[directory]] = getDirectories();
    const file = directory.openAt({}, 'word', {}, { read: true });
    const [bytes] = file.read(100n, 0n);
    const word = new TextDecoder().decode(bytes);
    if (word !== 'of the middleware') {
      throw new Error(`the middleware read ${word}`);
    }
    next(request, out);
  },
};
