// What a test may do to the provider and ask of it, at `/__control`.

import { bodyOf } from './pages.mjs';

/**
 * GET tells `events` (names, grant types and errors, never a token) and how many grants stand. POST takes any of
 * `access_ttl` (seconds, of tokens issued from now on), `refresh_tokens` (`offline_access`: only where that scope was granted;
 * `always`), `expire_access_tokens` (they are gone, grants stay), `revoke_grants`, `forget_clients` (those that registered
 * themselves), and answers as GET.
 */
export class Control {
  events = [];

  constructor(provider, storage, settings) {
    this.storage = storage;
    this.settings = settings;
    const note = (event, context, error) => this.events.push({
      event,
      grant_type: context.oidc?.params?.grant_type,
      client_id: context.oidc?.entities?.Client?.clientId,
      sub: context.oidc?.entities?.Account?.accountId,
      error: error?.error,
      detail: error?.error_detail ?? error?.error_description ?? error?.message,
    });
    for (const name of ['grant.success', 'registration_create.success', 'registration_delete.success', 'authorization.success', 'revocation.success'])
      provider.on(name, (context) => note(name, context));
    provider.on('grant.revoked', (context) => note('grant.revoked', context));
    for (const name of ['grant.error', 'registration_create.error', 'authorization.error', 'revocation.error', 'introspection.error', 'server_error'])
      provider.on(name, (context, error) => note(name, context, error));
  }

  async answer(request, response) {
    if (request.method === 'POST') this.obey(JSON.parse(await bodyOf(request)));
    const { events, settings } = this;
    const body = JSON.stringify({ events, settings, grants: this.storage.of('Grant').length });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }

  obey(order) {
    if (order.access_ttl !== undefined) this.settings.accessTtl = order.access_ttl;
    if (order.refresh_tokens !== undefined) this.settings.refreshTokens = order.refresh_tokens;
    if (order.expire_access_tokens) this.storage.drop((_row, name) => name.startsWith('AccessToken:'));
    if (order.revoke_grants) this.storage.drop((row, name) => name.startsWith('Grant:') || row.grantId !== undefined);
    if (order.forget_clients) this.storage.drop((_row, name) => name.startsWith('Client:'));
  }
}
