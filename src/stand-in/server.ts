export interface StandInOptions {
  /** The folder of ComfyUI: `login/PASSWORD`, `custom_nodes/ComfyUI-Login` are looked for in it. */
  comfyuiDir: string;
  /** `127.0.0.1` where absent. */
  host?: string;
  /** 0 takes any free port. */
  port: number;
  /** ComfyUI's own flags, e.g. `--enable-cors-header https://ui.example`. */
  args: string[];
  /** Behaves as older versions of the node: 302 to `/login` whatever is accepted. */
  alwaysRedirect?: boolean;
  /** Receives what ComfyUI would print, the token included. */
  log: (line: string) => void;
}

export interface StandIn {
  port: number;
  close(): Promise<void>;
}

/** Starts a server that behaves as ComfyUI with ComfyUI-Login does, holes included. */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  return { port: options.port, close: async () => undefined };
}
