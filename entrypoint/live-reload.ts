import { setImmediate as turn } from 'node:timers/promises';
import type { Credential } from '../src/model/credential.ts';
import { fingerprint, type Secret } from '../src/model/secret.ts';
import type { ProbeReport } from '../src/probe/check.ts';
import { checkOnce, type ProbeTarget } from '../src/probe/gate.ts';
import { askGuard, type GuardReload, type GuardReport, reloadThroughGuard } from '../src/probe/guard.ts';
import type { BootCredential, DeployedCredential } from './credential.ts';
import { CredentialWatch, credentialFiles } from './credential-watch.ts';
import { asRefusal, type Refusal } from './exit.ts';
import type { LiveCredential } from './live-credential.ts';
import { loginFiles, provisionPassword, readDeployed } from './password-file.ts';
import { PasswordKeeper } from './password-keeper.ts';
import { originOf, type Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import { ownerOf } from './prepare.ts';
import { decideReload, isSame, isSameGiven } from './reload-decision.ts';
import { faultOf, mustBeRefused, type Reason, WHY } from './reload-reasons.ts';
import { readSettings } from './settings.ts';

/** `restart`: there is another credential, and ComfyUI takes it only so. A report is the proof with the new one. */
export type Reloaded = 'same' | 'restart' | ProbeReport;

/** A decision, and what it was made on. */
interface Round {
  boot: BootCredential;
  deployed: DeployedCredential | undefined;
  startedMs: number;
  over: AbortSignal;
}

/** Exchanges the credential of a ComfyUI that goes on, where the guard is in it. */
export class LiveReload {
  readonly #plan: Plan;
  readonly #ports: Ports;
  readonly #live: LiveCredential;
  #guard: GuardReport = { guard: 'unknown' };
  #files: CredentialWatch | undefined;
  #keeper: PasswordKeeper | undefined;

  constructor(plan: Plan, live: LiveCredential, ports: Ports) {
    this.#plan = plan;
    this.#live = live;
    this.#ports = ports;
  }

  /** Whom to prove, with the credential of this moment. */
  target(): Omit<ProbeTarget, 'signal'> {
    const { url, settings } = this.#plan;
    const origin = originOf(this.#plan);
    return {
      url,
      credential: this.#live.current,
      guestModeAllowed: settings.guests,
      clock: this.#ports.clock,
      ...(origin !== undefined && { origin }),
      ...(settings.tryMs !== undefined && { tryMs: settings.tryMs }),
    };
  }

  /** Asks for the guard. Gives its version, null where none is known of. */
  async meetGuard(over: AbortSignal): Promise<string | null> {
    this.#guard = await askGuard(this.#guardTarget(this.#live.current.bearer, over));
    return this.#guard.guard === 'present' ? this.#guard.version : null;
  }

  /** From now on a change of the files that the credential came from asks for a reload. */
  begin(): void {
    const { env, clock, signals, log } = this.#ports;
    if (this.#guard.guard === 'present' && !this.#guard.reload) {
      log.warning('guard-without-reload', `${WHY.unsupported}: for another one ComfyUI is restarted`);
    }
    if (this.#reloads) this.#keeper = this.#keepPassword();
    const paths = credentialFiles(env);
    if (paths.length === 0) return;
    this.#files = new CredentialWatch(paths, clock, () => signals.askReload());
    if (!this.#isAsGiven()) this.#files.doubt();
  }

  /** Looks at the credential again, and takes another one over where it can. Rejects where `over` is aborted. */
  async reload(over: AbortSignal): Promise<Reloaded> {
    const { clock } = this.#ports;
    const changedMs = this.#files?.take();
    const startedMs = changedMs ?? clock.monotonicMs();
    if (this.#guard.guard === 'unknown') await this.meetGuard(over);
    let round: Round;
    try {
      round = { ...this.#decide(), startedMs, over };
    } catch (error) {
      const say = () => this.#sayRefused(asRefusal(error));
      // A change of the files may be half done: then it is not worth a word.
      if (changedMs === undefined) say();
      else this.#files?.onceItStands(changedMs, say);
      return 'same';
    }
    // A signal that came during bcrypt goes first. This turn of the event loop may have looked for signals before.
    await turn();
    await turn();
    over.throwIfAborted();
    if (this.#reloads) return await this.#takeOver(round);
    const { credential } = round.boot;
    if (isSame(this.#live.current, credential)) return this.#sameAsBefore(round);
    return this.#restart(this.#guard.guard === 'present' ? 'unsupported' : this.#guard.guard);
  }

  /** Does what can be done about a proof that does not hold. Gives whether the credential is to be looked at again. */
  mend(): boolean {
    return this.#keeper?.mend() ?? false;
  }

  close(): void {
    this.#files?.close();
    this.#keeper?.close();
  }

  get #loginFiles() {
    return loginFiles(this.#plan.settings.comfyuiDir);
  }

  get #reloads(): boolean {
    return this.#guard.guard === 'present' && this.#guard.reload;
  }

  #keepPassword(): PasswordKeeper {
    const { log } = this.#ports;
    const write = (credential: Credential) => this.#writePassword(credential);
    return new PasswordKeeper({ files: this.#loginFiles, live: this.#live, log, write });
  }

  #guardTarget(bearer: Secret, signal: AbortSignal) {
    return { ...this.target(), bearer, signal };
  }

  /** Whether the files hold what this life was prepared with. What cannot be read is other. */
  #isAsGiven(): boolean {
    try {
      return isSameGiven(readSettings(this.#ports).credential, this.#plan.settings.credential);
    } catch {
      return false;
    }
  }

  #decide(): Pick<Round, 'boot' | 'deployed'> {
    const { redactor } = this.#ports;
    const { credential: given } = readSettings(this.#ports);
    const deployed = readDeployed(this.#loginFiles);
    if (deployed !== undefined) redactor.add(deployed.bearer);
    const boot = decideReload({ given, deployed, live: this.#live.current, restores: this.#reloads });
    redactor.add(boot.credential.bearer);
    return { boot, deployed };
  }

  /** PASSWORD first, then the guard, then the proof. */
  async #takeOver(round: Round): Promise<Reloaded> {
    const { boot, deployed, over } = round;
    const { credential } = boot;
    const before = this.#live.current;
    const same = isSame(before, credential);
    if (!same) this.#live.expect(credential);
    try {
      this.#writePassword(credential);
    } catch (error) {
      this.#live.settle(before);
      this.#sayRefused(asRefusal(error));
      return 'same';
    }
    if (same && (deployed === undefined || !isSame(credential, deployed))) {
      this.#ports.log.warning('password-restored', 'PASSWORD held another credential: it was written again');
    }
    const done = await this.#askForIt(before.bearer, credential.bearer, over);
    if (same && done.result !== 'reloaded') return this.#sameAsBefore(round);
    const fault = faultOf(done, credential.bearer);
    if (fault !== undefined) return this.#restart(fault);
    this.#live.settle(credential);
    return await this.#proveNew(round, before.bearer, done);
  }

  #writePassword(credential: Credential): void {
    const { settings } = this.#plan;
    const owner = ownerOf(settings, this.#ports.self);
    provisionPassword(this.#loginFiles, credential, owner, settings.guests);
  }

  /** As who the guard knows; where it does not, somebody else has let it read PASSWORD already. */
  async #askForIt(old: Secret, bearer: Secret, over: AbortSignal): Promise<GuardReload> {
    const first = await reloadThroughGuard(this.#guardTarget(old, over));
    const isUnsure = first.result === 'unknown' || first.result === 'refused';
    if (!isUnsure || old.equals(bearer)) return first;
    return await reloadThroughGuard(this.#guardTarget(bearer, over));
  }

  /** Proves that the new one is taken, and the old one no longer, unless the guard was told to let it. */
  async #proveNew({ boot, startedMs, over }: Round, old: Secret, done: GuardReload): Promise<Reloaded> {
    const { clock, log } = this.#ports;
    const target = { ...this.target(), signal: over };
    const report = await checkOnce(target);
    if (report.status === 'open') return report;
    if (report.status !== 'proved') return this.#restart('unproven');
    if (mustBeRefused(done, old, boot.credential.bearer)) {
      const after = await checkOnce({ ...target, credential: { ...target.credential, bearer: old } });
      if (after.status === 'open') return after;
      if (after.status !== 'refused') return this.#restart('old-accepted');
    }
    const { username, bearer } = boot.credential;
    const credential = fingerprint(bearer);
    const sessions = done.result === 'reloaded' ? done.sessions : 'unknown';
    const ms = Math.round(clock.monotonicMs() - startedMs);
    const message = `user ${username}, bearer ${credential}, ${boot.origin}; ComfyUI went on, sessions: ${sessions}`;
    log.info('rotated', message, { credential, sessions, ms });
    for (const warning of boot.warnings) log.warning('credential', warning);
    return report;
  }

  #sameAsBefore({ boot }: Round): 'same' {
    // A password may have come to what is known.
    this.#live.settle(boot.credential);
    this.#ports.log.info('reloaded', 'the credential is the same: nothing is to be done');
    return 'same';
  }

  #restart(reason: Reason): 'restart' {
    this.#ports.log.warning('reload-by-restart', `${WHY[reason]}: it is restarted for the new credential`, {
      reason,
    });
    return 'restart';
  }

  #sayRefused({ message, remedy, code }: Refusal): void {
    this.#ports.log.error('reload-refused', `${message}; the credential stays as it was. Remedy: ${remedy}`, {
      code,
      remedy,
    });
  }
}
