// What must not happen on a page that shows text of strangers, and what must not stand there.

import assert from 'node:assert/strict';

/**
 * Watches a page from now on. What it collects stays empty where nothing of a text runs, loads or leads anywhere.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} origin the only one that the page may ask
 * @returns {string[]}
 */
export function watchIncidents(page, origin) {
  const incidents = [];
  page.on('dialog', async (dialog) => {
    incidents.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.context().on('page', (other) => incidents.push(`window: ${other.url()}`));
  page.on('request', (request) => {
    const { origin: asked, protocol } = new URL(request.url());
    if (asked !== origin && protocol !== 'data:') incidents.push(`request: ${request.url()}`);
  });
  page.on('framenavigated', (frame) => {
    if (frame !== page.mainFrame()) incidents.push(`frame: ${frame.url()}`);
  });
  return incidents;
}

/** Nothing happened, and nothing stands in the page that could still happen. `what` is being looked at. */
export async function assertHarmless({ page, console }, incidents, what = page.url()) {
  assert.deepEqual(await dangers(page), [], what);
  assert.deepEqual(incidents, [], what);
  console.assertQuiet();
}

/** Elements and attributes that run, load or lead somewhere and can only come from hostile text. */
export function dangers(page) {
  return page.evaluate(() => {
    const found = [];
    const addresses = ['href', 'src', 'action', 'formaction', 'data', 'srcdoc', 'poster'];
    const own = ['/pkg/', '/favicon'];
    for (const element of document.querySelectorAll('*')) {
      const tag = element.tagName.toUpperCase();
      for (const { name, value } of element.attributes) {
        if (name.startsWith('on')) found.push(`${tag} ${name}`);
        const runs = /^\s*(javascript|vbscript|data:text)/i.test(value) || (name === 'src' && value === 'x');
        if (addresses.includes(name) && runs) found.push(`${tag} ${name}=${value}`);
      }
      if (['IFRAME', 'OBJECT', 'EMBED'].includes(tag)) found.push(tag);
      if (tag === 'LINK' && !own.some((start) => element.getAttribute('href')?.startsWith(start))) found.push(element.outerHTML);
      if (tag === 'SCRIPT' && element.textContent.trim() === 'alert(1)') found.push(tag);
    }
    return found;
  });
}

const EVIL = 'https://evil.example';
/** 40 ways to make a text more than a text, each of which says `alert` if it runs or asks `evil.example` if it loads. */
export const PAYLOADS = [
  '<script>alert(1)</script>',
  '</title><script>alert(1)</script>',
  '</textarea></style></script><script>alert(1)</script>',
  '"><script>alert(1)</script>',
  '\'><img src=x onerror=alert(1)>',
  '<img src=x onerror=alert(1)>',
  '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
  '<svg onload=alert(1)>',
  '<svg><script>alert(1)</script></svg>',
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s>',
  '<math><a xlink:href=javascript:alert(1)>x</a></math>',
  '<iframe src="javascript:alert(1)"></iframe>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '<object data="javascript:alert(1)"></object>',
  '<embed src="data:text/html,<script>alert(1)</script>">',
  '<a href="javascript:alert(1)">Start again</a>',
  '<a href=" &#106;avascript:alert(1)">Back to Patchbay</a>',
  '<form action="javascript:alert(1)"><button autofocus>Go on</button></form>',
  '<details open ontoggle=alert(1)>',
  '<video><source onerror=alert(1)></video>',
  '<audio src=x onerror=alert(1)>',
  '<input autofocus onfocus=alert(1)>',
  '<body onload=alert(1) onpageshow=alert(1)>',
  '<div onanimationstart=alert(1) style="animation:x 1s">x</div>',
  '<meta http-equiv="refresh" content="0;url=javascript:alert(1)">',
  `<meta http-equiv="refresh" content="0;url=${EVIL}/">`,
  `<base href="${EVIL}/">`,
  `<link rel=stylesheet href=${EVIL}/a.css>`,
  `<style>@import "${EVIL}/b.css";*{background:url(${EVIL}/c)}</style>`,
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<!--><img src=x onerror=alert(1)>--!><img src=x onerror=alert(1)>',
  ']]><script>alert(1)</script>',
  '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
  '{{constructor.constructor(\'alert(1)\')()}} {{7*7}}',
  '${alert(1)} #{alert(1)} <%= alert(1) %> @(alert(1))',
  'javascript:alert(1)//',
  '&lt;script&gt;alert(1)&lt;/script&gt;&#60;script&#62;',
  '\uff1cscript\uff1ealert(1)\uff1c/script\uff1e \u2039script\u203a',
  '\u202e<script>alert(1)</script>\u2066\u200b\u{e0041}\u2069',
  '\u00a0<scr\u00adipt>alert(1)</script\u3000><script\u2028>alert(1)</script>',
];
