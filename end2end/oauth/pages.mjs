// The pages a person sees: a name and "Sign in", then "Continue". Any name is an account, and nobody needs a password.

const MAX_FORM = 10_000;

/** Answers `/interaction/{uid}`. */
export async function interact(provider, request, response) {
  const interaction = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return show(interaction, response);
  const form = new URLSearchParams(await bodyOf(request));
  const result = form.has('deny') ? { error: 'access_denied', error_description: 'the person said no' }
    : interaction.prompt.name === 'login' ? { login: { accountId: form.get('login') || 'somebody' } }
    : { consent: { grantId: await consent(provider, interaction) } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: !form.has('deny') });
}

/** Grants all that is missing. */
async function consent(provider, { grantId, params, prompt, session }) {
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingResourceScopes = {} } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(' '));
  return grant.save();
}

function show({ params, prompt }, response) {
  const fields = prompt.name === 'login'
    ? '<label>Name <input name="login" autocomplete="off" autofocus></label> <button>Sign in</button>'
    : `<p>${text(params.client_id)} asks for: ${text(params.scope ?? 'nothing in particular')}</p><button>Continue</button>`;
  const page = `<!doctype html><html lang="en"><title>Authorization server</title><link rel="icon" href="data:,">
<h1>${prompt.name === 'login' ? 'Who are you?' : 'Is that all right?'}</h1>
<form method="post">${fields} <button name="deny" value="1">Deny</button></form></html>`;
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page);
}

const text = (value) => String(value).replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);

/** The whole body of a request. */
export async function bodyOf(request) {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk;
    if (body.length > MAX_FORM) throw new Error('this form is too long');
  }
  return body;
}
