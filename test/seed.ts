import fc from 'fast-check';

// Every run of the suite tries the same cases, so that it is green or red for a reason; FAST_CHECK_SEED tries others.
fc.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 20_251_121) });
