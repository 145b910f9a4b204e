import { describe, expect, test } from 'vitest';
import { type ComfyUiArgs, readComfyUiArgs } from '../../../entrypoint/comfyui-args.ts';

const read = (...argv: string[]) => readComfyUiArgs(['python', '-u', 'main.py', ...argv], { port: 8188 });

describe('ComfyUI’s own options, as its argparse reads them', () => {
  test.each<[string[], Partial<ComfyUiArgs>]>([
    [[], { host: '127.0.0.1', port: 8188, tls: false, extraModelPaths: [] }],
    [['--port', '9000', '--port=9001'], { port: 9001 }],
    [['--po', '9000'], { port: 9000 }],
    [['--preview-method', 'auto'], { port: 8188 }],
    [['--listen'], { host: '127.0.0.1' }],
    [['--listen', '0.0.0.0,::'], { host: '127.0.0.1' }],
    [['--listen', '::'], { host: '[::1]' }],
    [['--listen', '10.0.0.5'], { host: '10.0.0.5' }],
    [['--enable-cors-header', '--cpu'], { corsOrigin: '*' }],
    [['--enable-cors-header=https://ui.example'], { corsOrigin: 'https://ui.example' }],
    [['--base-dir', '/data'], { baseDirectory: '/data' }],
    [['--whitelist-custom-nodes', 'a'], {}],
    [['--disable-all-custom-nodes'], { onlyNodes: [] }],
    [['--disable-all', '--white', 'a', 'b', '--cpu'], { onlyNodes: ['a', 'b'] }],
    [['--extra-model-paths-config', 'a', 'b', '--extra', 'c'], { extraModelPaths: ['a', 'b', 'c'] }],
    [['--tls-keyfile', 'k', '--tls-certfile', 'c'], { tls: true }],
    [['--base-directory', '-my data', '--cpu'], { baseDirectory: '-my data' }],
    [['--port', '9000', '--', '--port', '9001'], { port: 9000 }],
  ])('%j', (argv, expected) => {
    expect(read(...argv)).toMatchObject(expected);
  });

  test('what is not given is absent', () => {
    for (const name of ['corsOrigin', 'baseDirectory', 'onlyNodes'])
      expect(read('--cpu', '--base-directory=')).not.toHaveProperty(name);
  });

  test.each<[string[], number]>([
    [['tini', '--', 'python', 'main.py', '--port', '9000'], 9000],
    [['launcher', '--port', '1', '/opt/ComfyUI/main.py', '--port', '9000'], 9000],
    [['launcher', '--', '--port', '9000'], 9000],
  ])('what stands around ComfyUI is not its own: %j', (command, port) => {
    expect(readComfyUiArgs(command, { port: 8188 }).port).toBe(port);
  });
});
