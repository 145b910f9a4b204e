export { readTorchCommand, TORCH_USAGE, torchCacheCommand } from './command.ts';
export { distributionsOf, readTorchLock, type TorchLock } from './lock-file.ts';
export { provideTorch } from './provide.ts';
export { readTorchSettings, type TorchSettings } from './settings.ts';
