// What kind of authorization server it is.

import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { errors } from 'oidc-provider';

/** Scopes of the protected resource; the second is for tools that need more. */
export const SCOPES = ['mcp:tools', 'tickets:write'];

/** The resource server asks about tokens as this client. */
export const RESOURCE_SERVER = { id: 'protected-mcp', secret: randomBytes(24).toString('base64url') };

/**
 * @param {import('./storage.mjs').Storage} storage
 * @param {{accessTtl: number, refreshTokens: 'offline_access' | 'always'}} settings changeable while it runs
 */
export function configuration(storage, settings) {
  return {
    adapter: (model) => storage.adapter(model),
    clients: [
      { client_id: RESOURCE_SERVER.id, client_secret: RESOURCE_SERVER.secret, grant_types: [], response_types: [], redirect_uris: [] },
    ],
    // A token that has expired has expired; the default forgives 15 s.
    clockTolerance: 0,
    cookies: { keys: [randomBytes(24).toString('hex')] },
    jwks: { keys: [signingKey()] },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    pkce: { required: () => true },
    responseTypes: ['code'],
    // Those of the resource too: a registration may only name scopes that are listed here.
    scopes: ['openid', 'offline_access', ...SCOPES],
    rotateRefreshToken: true,
    issueRefreshToken: (_context, client, code) =>
      client.grantTypeAllowed('refresh_token') && (settings.refreshTokens === 'always' || code.scopes.has('offline_access')),
    // A grant belongs to one sign-in. By default all sign-ins of a person with one client share one, and the theft of one
    // refresh token would end them all.
    loadExistingGrant: async (context) => {
      const id = context.oidc.result?.consent?.grantId;
      return id && context.oidc.provider.Grant.find(id);
    },
    ttl: {
      AccessToken: (_context, token) => token.resourceServer?.accessTokenTTL ?? settings.accessTtl,
      AuthorizationCode: 60,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: (_context, client) => client.clientId === RESOURCE_SERVER.id },
      registration: { enabled: true },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
      revocation: { enabled: true, allowedPolicy: (_context, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        // Nobody gets a token for a resource that was not asked for.
        defaultResource: (_context, _client, oneOf) => oneOf,
        useGrantedResource: () => false,
        getResourceServerInfo: (_context, resource) => resourceServer(resource, settings),
      },
    },
  };
}

/** Any MCP server on loopback; its identifier is the audience of its tokens. */
function resourceServer(resource, settings) {
  if (!/^http:\/\/127\.0\.0\.1:\d+\//.test(resource)) throw new errors.InvalidTarget();
  // Opaque: nothing but introspection tells what such a token is.
  return { scope: SCOPES.join(' '), audience: resource, accessTokenTTL: settings.accessTtl, accessTokenFormat: 'opaque' };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
}
