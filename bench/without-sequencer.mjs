/** Imported ahead of the built server: its changes get no positions by themselves, so that what the sequencer costs can be told. */
import { createSequencer } from '../dist/history/sequencer.js'

const parts = { store: {}, now: Date.now, log: () => {} }
Object.getPrototypeOf(createSequencer(parts)).start = () => {}
