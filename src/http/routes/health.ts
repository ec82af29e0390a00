/** For load balancers and monitors. Public, and answered at any load. */
import { json } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { Route } from '../route.ts'

const ready = async ({ context }: Exchange) => {
  if (context.state.draining) return json({ status: 'draining' }, 503)
  const verdict = await context.readiness.check()
  if (!verdict.isReady) return json({ status: 'unready', store: verdict.store, error: verdict.reason }, 503)
  return json({ status: 'ready', store: 'ok', store_latency_ms: Math.round(verdict.storeMs * 100) / 100 })
}

export const healthRoutes: readonly Route[] = [
  { method: 'GET', template: '/health', operationId: 'health', action: 'public', vital: true, handler: ready },
  { method: 'GET', template: '/health/ready', operationId: 'ready', action: 'public', vital: true, handler: ready },
  {
    method: 'GET',
    template: '/health/live',
    operationId: 'live',
    action: 'public',
    vital: true,
    handler: async () => json({ status: 'alive' }),
  },
  {
    method: 'GET',
    template: '/api/v1/app-config',
    operationId: 'appConfig',
    action: 'public',
    handler: async (exchange) =>
      json({ auth_enabled: exchange.context.authenticator.everybody === undefined, base_url: exchange.baseUrl }),
  },
]
