/** What discovery may look at; it never writes. */
export interface FileView {
  /** The text of a regular file, or undefined where there is none or it cannot be read. */
  text(path: string): string | undefined;
  /** Whether anything stands at the path. */
  exists(path: string): boolean;
}
