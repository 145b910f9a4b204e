import { lstatSync } from 'node:fs';

/**
 * Takes a folder of packages and the path of its manifest. Makes the folder last: readable by everyone whatever the
 * umask, each file and folder brought to the disk. Writes the manifest: `size<TAB>path`, one line a file. A program in
 * Python, since it runs as ComfyUI's user.
 */
export const SEAL = `
import os, stat, sys
from concurrent.futures import ThreadPoolExecutor
root, manifest = (os.fsencode(word) for word in sys.argv[1:])
def seal(path, rights):
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        stats = os.fstat(fd)
        if not (stat.S_ISREG(stats.st_mode) or stat.S_ISDIR(stats.st_mode)):
            raise OSError("an error in a wheel: neither a file nor a folder: " + os.fsdecode(path))
        if stats.st_mode & rights != rights:
            os.fchmod(fd, stats.st_mode & 0o777 | rights)
        os.fsync(fd)
        return stats.st_size
    finally:
        os.close(fd)
files, folders = [], []
for folder, _, names in os.walk(root):
    folders.append(folder)
    files.extend(os.path.join(folder, name) for name in names)
files.sort()
with ThreadPoolExecutor(8) as pool:
    sizes = list(pool.map(lambda path: seal(path, 0o444), files))
    list(pool.map(lambda path: seal(path, 0o555), folders))
lines = [b"%d\\t%s\\n" % (size, os.path.relpath(path, root)) for size, path in zip(sizes, files)]
with open(manifest, "xb") as file:
    file.write(b"".join(lines))
    file.flush()
    os.fchmod(file.fileno(), 0o644)
    os.fsync(file.fileno())
`;

/** What is wrong with the files of a manifest; undefined where each is there with its size. Some 10 µs a file. */
export function faultOfManifest(root: string, text: string): string | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length === 0) return 'its manifest is cut off';
  for (const line of lines) {
    const tab = line.indexOf('\t');
    const path = line.slice(tab + 1);
    const stats = lstatSync(`${root}/${path}`, { throwIfNoEntry: false });
    if (stats === undefined) return `${path} is missing`;
    if (!stats.isFile() || stats.size !== Number(line.slice(0, tab))) return `${path} has changed`;
  }
  return undefined;
}

/** How many files a manifest lists, and their sizes together. */
export function sumOfManifest(text: string): { files: number; bytes: number } {
  const sizes = text
    .trimEnd()
    .split('\n')
    .map((line) => Number.parseInt(line, 10));
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}
