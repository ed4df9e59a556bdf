// 8 MB in pieces, each checked at the end, with a call of the host between them. Exits with 7 where all are as they were written, with 9
// where one is not.

const pieces: Uint8Array[] = [];
for (let i = 0; i < 800; i++) {
  const piece = new Uint8Array(10000);
  piece.fill(<u8>(i & 0xff));
  pieces.push(piece);
  Date.now();
}
for (let i = 0; i < 800; i++) {
  for (let j = 0; j < 10000; j++) {
    if (pieces[i][j] != <u8>(i & 0xff)) process.exit(9);
  }
}
console.log("fine");
process.exit(7);
