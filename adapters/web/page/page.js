// The chat page.

import { Api } from './stream.js';
import { Memory } from './memory.js';
import { Chat } from './chat.js';

const start = JSON.parse(document.getElementById('start').content);
const memory = new Memory('dovvybuddy');
const address = new URL(location.href);

function paint(scheme) {
  document.documentElement.style.colorScheme = scheme === 'auto' ? '' : scheme;
}

function speak(code) {
  memory.set('language', code);
  address.searchParams.set('lang', code);
  location.replace(address);
}

const preferred = memory.setting('language');
if (preferred && preferred !== start.lang && !address.searchParams.has('lang')) {
  speak(preferred);
} else {
  paint(memory.setting('scheme') ?? 'auto');
  const chat = new Chat({
    api: new Api('', { cookies: true }),
    memory,
    about: start,
    session: start.session,
    embedded: false,
    onLanguage: speak,
    onScheme: paint,
  });
  document.getElementById('app').replaceChildren(chat.node);
  // A press anywhere else closes the menu.
  document.addEventListener('pointerdown', (event) => {
    if (!chat.menu.node.contains(/** @type {Node} */ (event.target))) chat.menu.close();
  });
  void chat.restore();
  if (matchMedia('(hover: hover)').matches) chat.composer.focus();
}
