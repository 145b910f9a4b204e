import { fingerprint, type Secret } from '../src/model/secret.ts';
import type { ProbeReport } from '../src/probe/check.ts';
import { checkOnce, type ProbeTarget } from '../src/probe/gate.ts';
import { askGuard, type GuardReload, reloadThroughGuard } from '../src/probe/guard.ts';
import { collectGarbage } from './collect.ts';
import type { BootCredential, DeployedCredential } from './credential.ts';
import { CredentialWatch, credentialFiles } from './credential-watch.ts';
import { asRefusal, type Refusal } from './exit.ts';
import { GuardPresence } from './guard/presence.ts';
import type { LiveCredential } from './live-credential.ts';
import { LivePassword } from './live-password.ts';
import { readDeployed } from './password-file.ts';
import { PasswordKeeper } from './password-keeper.ts';
import { originOf, type Plan } from './plan.ts';
import type { Ports } from './ports.ts';
import type { Prepared } from './prepare.ts';
import { decideReload, isSame, isSameGiven } from './reload-decision.ts';
import { faultOf, type Reason, WHY } from './reload-reasons.ts';
import { proveRotation, type Rotation } from './rotation.ts';
import { readSettings } from './settings.ts';
import { afterSignals } from './signals.ts';

/** `restart`: there is another credential, and ComfyUI takes it only so. A report is the proof with the new one. */
type Taken = 'restart' | ProbeReport;
export type Reloaded = 'same' | Taken;

/** A decision, and what it was made on. */
interface Round {
  boot: BootCredential;
  deployed: DeployedCredential | undefined;
  startedMs: number;
  over: AbortSignal;
}

/** What a life of ComfyUI was started with. */
type Started = Pick<Prepared, 'keyPath' | 'guard'> & { live: LiveCredential };

/** Exchanges the credential of a ComfyUI that goes on, where the guard is in it. */
export class LiveReload {
  readonly #plan: Plan;
  readonly #ports: Ports;
  readonly #live: LiveCredential;
  readonly #password: LivePassword;
  /** What is known of the guard in ComfyUI. */
  readonly guard: GuardPresence;
  #files: CredentialWatch | undefined;
  #keeper: PasswordKeeper | undefined;
  /** What the guard has taken, and the proof has not said yet. */
  #rotation: Rotation | undefined;

  constructor(plan: Plan, { live, keyPath, guard: expected }: Started, ports: Ports) {
    this.#plan = plan;
    this.#live = live;
    this.#password = new LivePassword(plan, keyPath, ports);
    this.#ports = ports;
    const ask = (over: AbortSignal) => askGuard(this.#guardTarget(live.current.bearer, over));
    this.guard = new GuardPresence({ expected, clock: ports.clock, ask });
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

  /** Asks for the guard again, where that may say anything new. Throws a `Refusal` where it is gone. */
  async lookForGuard(over: AbortSignal): Promise<void> {
    if (!this.guard.expected && this.guard.state !== 'unknown') return;
    await this.guard.look(over);
    this.#keepPassword();
  }

  /** From now on a change of the files that the credential came from asks for a reload. */
  begin(): void {
    const { env, clock, signals, log } = this.#ports;
    if (this.guard.state === 'present' && !this.guard.reloads) {
      log.warning('guard-without-reload', `${WHY.unsupported}: for another one ComfyUI is restarted`);
    }
    this.#keepPassword();
    const paths = credentialFiles(env);
    if (paths.length === 0) return;
    this.#files = new CredentialWatch(paths, clock, () => signals.askReload());
    if (!this.#isAsGiven()) this.#files.doubt();
  }

  /** The cheap part of the proof; of a credential that is not proven yet, all that is to be known of it. */
  async check(over: AbortSignal): Promise<Taken> {
    if (this.#rotation !== undefined) return await this.#proveNew(this.#rotation, over);
    return await checkOnce({ ...this.target(), signal: over });
  }

  /** Looks at the credential again, and takes another one over where it can. Rejects where `over` is aborted. */
  async reload(over: AbortSignal): Promise<Reloaded> {
    const { clock } = this.#ports;
    const changedMs = this.#files?.take();
    const startedMs = changedMs ?? clock.monotonicMs();
    if (this.guard.state === 'unknown') await this.lookForGuard(over);
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
    // One that came during bcrypt goes first.
    await afterSignals();
    over.throwIfAborted();
    if (this.guard.reloads) return await this.#takeOver(round);
    const { credential } = round.boot;
    if (isSame(this.#live.current, credential)) return this.#sameAsBefore(round);
    return this.#restart(this.guard.state === 'present' ? 'unsupported' : this.guard.state);
  }

  /** Does what can be done about a proof that does not hold. Gives whether the credential is to be looked at again. */
  mend(): boolean {
    // What a guard that cannot reload takes is what it took at the start.
    return this.#keeper?.mend() === true && this.guard.reloads;
  }

  close(): void {
    this.#files?.close();
    this.#keeper?.close();
  }

  /** Whichever guard is there: it answers nobody where PASSWORD is gone. */
  #keepPassword(): void {
    if (this.guard.state !== 'present' || this.#keeper !== undefined) return;
    this.#keeper = new PasswordKeeper(this.#password, this.#live, this.#ports.log);
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
    const { bearer, password } = this.#live.current;
    // Many that are refused must not make this one forgotten.
    redactor.addPassing(bearer, ...(password === undefined ? [] : [password]));
    const deployed = readDeployed(this.#password.files);
    if (deployed !== undefined) redactor.addPassing(deployed.bearer);
    const boot = decideReload({ given, deployed, live: this.#live.current, restores: this.guard.reloads });
    redactor.addPassing(boot.credential.bearer);
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
      this.#password.write(credential);
    } catch (error) {
      this.#live.settle(before);
      this.#sayRefused(asRefusal(error));
      return 'same';
    }
    if (same && (deployed === undefined || !isSame(credential, deployed))) {
      this.#password.keepSessions();
      this.#ports.log.warning('password-restored', 'PASSWORD held another credential: it was written again');
    }
    const done = await this.#askForIt(before.bearer, credential.bearer, over);
    const fault = faultOf(done, credential.bearer);
    if (same && done.result !== 'reloaded') return this.#sameAsBefore(round, fault);
    if (fault !== undefined) return this.#restart(fault);
    this.#live.settle(credential);
    if (done.result === 'reloaded' && done.sessions === 'kept') this.#password.keepSessions();
    return await this.#proveNew({ ...round, old: before.bearer, done }, over);
  }

  /** As who the guard knows; where it does not, somebody else has let it read PASSWORD already. */
  async #askForIt(old: Secret, bearer: Secret, over: AbortSignal): Promise<GuardReload> {
    const first = await reloadThroughGuard(this.#guardTarget(old, over));
    const isUnsure = first.result === 'unknown' || first.result === 'refused';
    if (!isUnsure || old.equals(bearer)) return first;
    return await reloadThroughGuard(this.#guardTarget(bearer, over));
  }

  /** What is not known of it yet is asked again at the next proof. */
  async #proveNew(rotation: Rotation, over: AbortSignal): Promise<Taken> {
    this.#rotation = rotation;
    const report = await proveRotation(rotation, { ...this.target(), signal: over });
    if (typeof report === 'string') return this.#restart(report);
    if (report.status !== 'proved') return report;
    this.#rotation = undefined;
    this.#tellRotated(rotation);
    return report;
  }

  #tellRotated({ boot, done, startedMs }: Rotation): void {
    const { clock, log } = this.#ports;
    const { username, bearer } = boot.credential;
    const credential = fingerprint(bearer);
    const sessions = done.result === 'reloaded' ? done.sessions : 'unknown';
    const ms = Math.round(clock.monotonicMs() - startedMs);
    const message = `user ${username}, bearer ${credential}, ${boot.origin}; ComfyUI went on, sessions: ${sessions}`;
    log.info('rotated', message, { credential, sessions, ms });
    for (const warning of boot.warnings) log.warning('credential', warning);
    // Else what many of them leave behind would pile up: a life can last for months.
    collectGarbage();
  }

  #sameAsBefore({ boot }: Round, fault?: Reason): 'same' {
    // A password may have come to what is known.
    this.#live.settle(boot.credential);
    const { log } = this.#ports;
    if (fault === undefined) log.info('reloaded', 'the credential is the same: nothing is to be done');
    else log.warning('reloaded', `the credential is the same; ${WHY[fault]}`, { reason: fault });
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
