export { WITHOUT_STORE } from './activate.ts';
export { type TorchCommandPorts, torchCacheCommand } from './command.ts';
export { distributionsOf, readTorchLock, type TorchLock } from './lock-file.ts';
export type { TorchPorts } from './ports.ts';
export { type ProvidedTorch, provideTorch } from './provide.ts';
export { readTorchSettings, type TorchSettings } from './settings.ts';
