// Keeps one core busy until it is killed: another job on the same machine, for --busy.
for (let x = 1; ; x = (x * 1103515245 + 12345) % 2147483648) if (x < 0) break;
