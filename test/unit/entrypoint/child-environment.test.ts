import { userInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { childEnvironment } from '../../../entrypoint/child-environment.ts';

const FOLDER = '/workspace/ComfyUI';
/** A user that is nobody's. */
const STRANGER = { uid: 54_321, gid: 54_321 };
const given = { PATH: '/bin', HOME: '/somebody', USER: 'somebody', LOGNAME: 'somebody' };

const SECRET_NAMES = [
  ...['COMFYUI_USERNAME', 'COMFYUI_PASSWORD', 'COMFYUI_BEARER_TOKEN', 'COMFYUI_AUTH_SECRET_KEY'],
  ...['SECRET_KEY', 'COMFYUI_RAW_TOKEN', 'COMFYUI_API_TOKEN', 'COMFYUI_AUTH_TOKEN', 'QWEN_API_USER_TOKEN'],
];

describe('the environment of ComfyUI', () => {
  test.each(SECRET_NAMES)('has no %s, and no file of it', (name) => {
    const env = childEnvironment({ ...given, [name]: 'x', [`${name}_FILE`]: '/run/secrets/x' }, FOLDER);
    expect(env).toEqual({ PYTHONUNBUFFERED: '1', ...given });
  });

  test('keeps what ComfyUI itself needs, the secrets of others included', () => {
    const env = { ...given, HF_TOKEN: 'x', CIVITAI_TOKEN: 'y', COMFYUI_DIR: FOLDER, PYTHONUNBUFFERED: '0' };
    expect(childEnvironment(env, FOLDER)).toEqual(env);
  });

  test('makes Python’s output pass at once, unless the operator says otherwise', () => {
    expect(childEnvironment({}, FOLDER)).toEqual({ PYTHONUNBUFFERED: '1' });
    expect(childEnvironment({ PYTHONUNBUFFERED: '' }, FOLDER)).toEqual({ PYTHONUNBUFFERED: '' });
  });

  test('leaves the home as it is where the user stays', () => {
    expect(childEnvironment(given, FOLDER)).toMatchObject({ HOME: '/somebody', USER: 'somebody' });
  });

  test('of another user has that user’s home and name', () => {
    const root = childEnvironment(given, FOLDER, { uid: 0, gid: 0 });
    expect(root).toMatchObject({ HOME: '/root', USER: 'root', LOGNAME: 'root', PATH: '/bin' });
    const { uid, gid, username, homedir } = userInfo();
    expect(childEnvironment(given, FOLDER, { uid, gid })).toMatchObject({ HOME: homedir, USER: username });
  });

  test('of a user without an entry has ComfyUI’s folder as its home', () => {
    const name = String(STRANGER.uid);
    expect(childEnvironment(given, FOLDER, STRANGER)).toMatchObject({
      HOME: FOLDER,
      USER: name,
      LOGNAME: name,
    });
  });

  test('does not change the one that was given', () => {
    const env = { ...given, COMFYUI_PASSWORD: 'x' };
    childEnvironment(env, FOLDER, STRANGER);
    expect(env).toEqual({ ...given, COMFYUI_PASSWORD: 'x' });
  });
});
