/** For load balancers and for whoever asks whether the server is there. Public, and answered at any load. */
import { json } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { Route } from '../route.ts'

const ready = async (exchange: Exchange) => {
  const { context } = exchange
  if (context.state.draining) return json({ status: 'draining' }, 503)
  const startedAt = performance.now()
  try {
    await context.catalog.store.get('tenants', { id: 'health' })
  } catch (error) {
    context.log('store not ready', { error: String(error) })
    return json({ status: 'unready', store: 'unavailable' }, 503)
  }
  return json({ status: 'ready', store: 'ok', store_latency_ms: Math.round((performance.now() - startedAt) * 100) / 100 })
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
