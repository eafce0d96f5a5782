// The widget: a launcher and a panel on somebody else's page, which neither sees nor changes the other.

import { h, iconButton, mark } from './dom.js';
import { Api } from './stream.js';
import { Memory } from './memory.js';
import { Chat } from './chat.js';

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const base = new URL('.', script.src).href.replace(/\/$/, '');

/** The dark or light letters that can be read on a colour. */
function readable(colour) {
  const canvas = document.createElement('canvas').getContext('2d');
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#06232b' : '#ffffff';
}

class Widget {
  /** @param {DOMStringMap} wishes the script element's `data-` attributes */
  constructor(wishes) {
    this.wishes = wishes;
    this.api = new Api(base, { site: wishes.site ?? null, cookies: false });
    this.memory = new Memory(`dovvybuddy:${wishes.site ?? ''}`);
    this.host = document.createElement('dovvybuddy-widget');
    this.root = this.host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    // @ts-expect-error: the server puts the style's text before this file.
    sheet.replaceSync(STYLE);
    this.root.adoptedStyleSheets = [sheet];
    if (wishes.position === 'left') this.host.setAttribute('data-position', 'left');
    if (wishes.accent && CSS.supports('color', wishes.accent)) {
      this.host.style.setProperty('--dovvybuddy-accent', wishes.accent);
      this.host.style.setProperty('--dovvybuddy-accent-text', readable(wishes.accent));
    }
    this.paint(this.memory.setting('scheme') ?? wishes.scheme ?? 'auto');
  }

  paint(scheme) {
    this.host.setAttribute('data-scheme', scheme);
  }

  async start() {
    const lang = this.memory.setting('language') ?? this.wishes.lang ?? document.documentElement.lang ?? '';
    const about = await this.api.request(`/api/about?lang=${encodeURIComponent(lang || navigator.language)}`);
    this.build(about);
    document.body.append(this.host);
    if (this.memory.tab('open')) this.open(false);
    else if (this.wishes.open === 'true' && this.memory.tab('open') === null) this.open(false);
  }

  build(about) {
    this.chat = new Chat({
      api: this.api,
      memory: this.memory,
      about,
      session: this.memory.session(),
      embedded: true,
      title: this.wishes.title,
      greeting: this.wishes.greeting,
      actions: [iconButton('close', about.words.close, () => this.close(), 'quiet')],
      onLanguage: (code) => this.speak(code),
      onScheme: (scheme) => this.paint(scheme),
      onEvent: (name, detail) => this.tell(name, detail),
    });
    const title = this.chat.header.querySelector('h1');
    title.id = 'dv-title';
    this.panel = h('div', { class: 'panel', role: 'dialog', 'aria-labelledby': title.id, hidden: true, keydown: (event) => this.key(event) }, this.chat.node);
    this.launcher = h('button', { type: 'button', class: 'launcher', 'aria-expanded': 'false', click: () => this.open(true) },
      mark(), h('span', null, this.wishes.label ?? about.words.launcher));
    this.root.replaceChildren(this.launcher, this.panel);
    this.root.addEventListener('pointerdown', (event) => {
      if (!event.composedPath().includes(this.chat.menu.node)) this.chat.menu.close();
    });
    Object.assign(this.host, { open: () => this.open(true), close: () => this.close() });
  }

  /** Another language: everything is built anew, and the conversation comes back from the daemon. */
  async speak(code) {
    this.memory.set('language', code);
    this.chat.turns.drop();
    this.build(await this.api.request(`/api/about?lang=${code}`));
    this.restored = false;
    this.open(true);
  }

  /** @param {boolean} focus whether a person asked for it */
  open(focus) {
    if (!this.panel.hidden) return;
    this.panel.hidden = false;
    this.launcher.hidden = true;
    this.memory.setTab('open', true);
    if (!this.restored) {
      this.restored = true;
      void this.chat.restore();
    }
    if (focus) this.chat.composer.focus();
    this.tell('open', {});
  }

  close() {
    this.panel.hidden = true;
    this.launcher.hidden = false;
    this.memory.setTab('open', false);
    this.launcher.focus();
  }

  key(event) {
    // The host page's shortcuts are not for what is typed here.
    event.stopPropagation();
    if (event.key === 'Escape') this.close();
    else if (event.key === 'Tab') this.keepInside(event);
  }

  /** On a small screen nothing of the page can be seen, so nothing of it should be reached. */
  keepInside(event) {
    if (this.panel.getBoundingClientRect().width < innerWidth) return;
    const all = [...this.panel.querySelectorAll('button, a[href], textarea, input, select, [tabindex="0"]')];
    const reachable = all.filter((node) => !node.closest('[inert]') && node.checkVisibility());
    const [first, last] = [reachable[0], reachable[reachable.length - 1]];
    const at = this.root.activeElement;
    if (event.shiftKey ? at === first : at === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  }

  tell(name, detail) {
    this.host.dispatchEvent(new CustomEvent(`dovvybuddy:${name}`, { detail, bubbles: true, composed: true }));
  }
}

const widget = new Widget(script.dataset);
const begin = () => widget.start().catch((error) => console.warn(`DovvyBuddy: ${error.message || 'the service can’t be reached'}`));
if (document.body) void begin();
else addEventListener('DOMContentLoaded', begin, { once: true });
