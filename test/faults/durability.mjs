// What a power cut would need to find: read from the order of calls, since a kill loses nothing that was written.

const COMMITTING = /\/journal\.new".*\/journal\.json"/;

const quoted = (text) => [...text.matchAll(/"([^"]*)"/g)].map((match) => match[1]);
const ofDescriptor = (text) => /^\w+\(\d+<([^>]*)>/.exec(text)?.[1];
const folderOf = (path) => path.slice(0, path.lastIndexOf('/'));

/**
 * The faults in a record of a successful commit: a file renamed before it was synced; a folder whose renames were
 * not synced before the journal went on (or, for the journal's own folder, before the next rename); at the end too.
 */
export function durabilityFaults(calls) {
  const faults = [];
  const written = new Set();
  const renamedIn = new Map();
  const demand = (when) => {
    for (const [folder, path] of renamedIn)
      faults.push(`${folder} was not synced after the rename of ${path}, ${when}`);
    renamedIn.clear();
  };
  for (const call of calls.filter(({ tree, failed }) => tree && !failed)) {
    if (/^p?write/.test(call.name)) written.add(ofDescriptor(call.text));
    if (call.name === 'fsync' || call.name === 'fdatasync') {
      written.delete(ofDescriptor(call.text));
      renamedIn.delete(ofDescriptor(call.text));
    }
    if (!call.name.startsWith('rename')) continue;
    const [from, to] = quoted(call.text);
    if (written.has(from)) faults.push(`${from} was renamed before it was synced`);
    const journal = COMMITTING.test(call.text);
    if (journal) demand('before the journal went on');
    else if (
      renamedIn.has(folderOf(to)) &&
      [...renamedIn.values()].some((path) => path.endsWith('journal.json'))
    ) {
      demand('before the next rename');
    }
    renamedIn.set(folderOf(to), to);
  }
  demand('before the end');
  return faults;
}
