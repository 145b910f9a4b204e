import type { PreflightCheck } from './check.ts';
import { diskFull, diskSpace } from './disk.ts';
import { environmentSigns } from './environment-signs.ts';
import { gpu } from './gpu.ts';
import { managerSecurity } from './manager-security.ts';
import { memory } from './memory.ts';
import { models } from './models.ts';
import { portFree } from './port.ts';
import { processOne } from './process-one.ts';
import { pythonAnswers, pythonVersion } from './python-version.ts';
import { timeZone } from './time-zone.ts';
import { torchCuda, torchImport } from './torch-import.ts';
import { torchVersions } from './torch-versions.ts';
import { loginWritable, volumesWritable } from './volumes.ts';
import { volumesWrite } from './volumes-write.ts';

/** At every boot: each looks at files, at most at the driver's tool. The first `error` that fails is told. */
export const BOOT_CHECKS: readonly PreflightCheck[] = [
  pythonAnswers,
  portFree,
  loginWritable,
  diskFull,
  models,
  pythonVersion,
  torchVersions,
  gpu,
  volumesWritable,
  diskSpace,
  managerSecurity,
  environmentSigns,
  processOne,
  timeZone,
  memory,
];

/** For the command `preflight` alone: each starts ComfyUI's Python. */
export const DEEP_CHECKS: readonly PreflightCheck[] = [torchImport, torchCuda, volumesWrite];
