/** Changes of a catalog that are undone, over `/api/v1`. */
import Type from 'typebox'
import { decode } from '../../catalog/shapes.ts'
import { undo } from '../../catalog/undo/undo.ts'
import { json } from '../answer.ts'
import { small } from '../request-bodies.ts'
import type { Route } from '../route.ts'

const UndoRequest = Type.Object({
  change: Type.String(),
  dry_run: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
})

export const undoRoutes: readonly Route[] = [
  {
    method: 'POST',
    template: '/api/v1/catalogs/{name}/undo',
    operationId: 'undo',
    // Whatever it comes to, it is a change; the use case asks for what.
    action: 'table.create',
    mutation: true,
    body: small,
    handler: async (exchange) => {
      const { change, dry_run: dryRun } = decode(UndoRequest, exchange.json())
      const call = await exchange.callIn(exchange.segment(0))
      return json(await undo(exchange.context.catalog, call, { change, dryRun: dryRun ?? false }))
    },
  },
]
