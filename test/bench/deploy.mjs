import { median, report } from './measure.mjs';

const RUNS = 25;
const COMMANDS = ['probe', 'deploy'];

/** Milliseconds that each command takes where nothing is to be done, in turn; the medians. */
async function inTurn(stage) {
  const figures = COMMANDS.map(() => []);
  for (let run = 0; run < RUNS; run++) {
    for (const [i, command] of COMMANDS.entries()) {
      const start = performance.now();
      const { code } = await stage.run(command, {});
      figures[i].push(performance.now() - start);
      if (code !== 0) throw new Error(`${command}: ${code}`);
    }
  }
  return figures.map(median);
}

/** What `deploy` costs where everything is as it should be, over asking the server alone. */
export async function idleDeploy(core) {
  const stage = await core.DockerDeployment.make(false);
  try {
    // The first one makes the container, and leaves nothing to do.
    await stage.run('deploy', {});
    const [asked, composed] = await inTurn(stage);
    report('deploy with nothing to do, by Compose, against probe', composed / asked, 1.3);
    const layout = stage.read('comfyui-auth.yml');
    stage.write('comfyui-auth.yml', layout.replace(/restart: .*/, 'restart: { driver: none }'));
    const [again, bare] = await inTurn(stage);
    report('deploy with nothing to do, without a driver, against probe', bare / again, 1.3);
  } finally {
    await stage.remove();
  }
}
