/** Vended credentials on the clouds themselves, where the environment names an account. */
import { describe, it } from 'node:test'
import { openRealAccount, skipsAccount } from '../real-accounts.ts'
import { provesScope } from './scope.ts'

const STRATEGIES = [
  ['Azure', 'PANGOLIN_TEST_AZURE', { AzureSas: {} }],
  ['Google Cloud Storage', 'PANGOLIN_TEST_GCS', { GcpDownscoped: {} }],
] as const

describe('vended credentials', () => {
  for (const [title, variable, vendingStrategy] of STRATEGIES) {
    it(
      `on ${title}, on the account of ${variable}, open one table and nothing beside it`,
      { skip: skipsAccount(variable) },
      async (test) => {
        const { storageConfig } = await openRealAccount(test, variable)
        await provesScope({ storageConfig, vendingStrategy }, ['t', "it's", 'p=a%2Fb', 'sp ace', '\u00fcn\u00efc\u00f6de'])
      },
    )
  }
})
