/** Who may reach ComfyUI, and when. */
export interface Exposure {
  /** ComfyUI is proven: it may be reached. Throws a `Refusal` where the port cannot be had. */
  open(): Promise<void>;
  /** Nobody new; who is connected may come to an end. */
  close(): void;
  /** Nobody any more. */
  end(): void;
}

/** ComfyUI listens on the published port itself (`EXPOSE_MODE=direct`): there is nothing to open or to close. */
export const direct: Exposure = {
  open: () => Promise.resolve(),
  close: () => undefined,
  end: () => undefined,
};
