// What the bot says of its operator: answers to open questions, and the facts of the house.

import { h, icon, button } from '../dom.js';
import { render } from '../markdown.js';
import { busy, labelled, nothing, tag, viewHead, waiting, wentWrong } from './view.js';

const FACTS = { hours: 'Opening hours', prices: 'Prices', contacts: 'Contacts' };

export class Entries {
  /** @param {import('./admin.js').Admin} admin */
  constructor(admin) {
    this.admin = admin;
    this.list = h('div', { class: 'entries' });
    this.editor = h('div');
    this.node = h('section', { class: 'pane one' },
      viewHead('Answers and facts', admin.may('edit') && button('New answer', () => this.edit(null), 'strong', 'plus')),
      h('p', { class: 'note' }, 'What is published here is found and cited at once. It lies as Markdown in the data directory, in faq/operator.'),
      this.editor, this.list);
  }

  async show() {
    if (!this.list.childElementCount) this.list.replaceChildren(waiting());
    await this.refresh();
    if (this.admin.question !== null) {
      this.edit(null, this.admin.question);
      this.admin.question = null;
    }
  }

  async refresh() {
    try {
      const entries = await this.admin.desk.request('entries');
      const print = JSON.stringify(entries);
      if (print === this.print) return;
      this.print = print;
      const answers = entries.filter((one) => !one.fact);
      this.list.replaceChildren(
        h('h2', null, 'Facts'), ...entries.filter((one) => one.fact).map((one) => this.card(one, FACTS[one.id])),
        h('h2', null, 'Answers'), ...(answers.length ? answers.map((one) => this.card(one, one.question)) : [nothing('No answers yet', 'Write one, or begin with an open question.')]));
    } catch (error) {
      this.print = '';
      this.list.replaceChildren(wentWrong(error, () => this.show()));
    }
  }

  card(entry, title) {
    const body = h('div', { class: 'md', dir: 'auto' });
    render(body, entry.answer, {});
    const edits = this.admin.may('edit');
    const does = (words, path, method, said) => {
      const node = button(words, () => this.change(node, path, method, said), 'small plain');
      return node;
    };
    return h('article', { class: 'card' },
      h('div', { class: 'card-top' }, h('h3', { dir: 'auto' }, title), entry.answer ? tag('published', 'good') : tag('not written'), h('span', { class: 'push' }), entry.updated && h('span', { class: 'note' }, entry.updated)),
      entry.answer && body,
      edits && h('div', { class: 'row' }, button(entry.answer ? 'Edit' : 'Write', () => this.edit(entry), 'small', 'plus'),
        entry.answer && does('Take down', `entries/${entry.id}`, 'DELETE', 'Taken down; it can be undone.'),
        entry.undo && does('Undo the last change', `entries/${entry.id}/undo`, 'POST', 'Undone.')));
  }

  async change(node, path, method, said) {
    await busy(node, async () => {
      try {
        const undone = path.endsWith('/undo') ? path : `${path}/undo`;
        await this.admin.desk.request(path, { method });
        this.admin.say(said, false, ['Undo', async () => {
          await this.admin.desk.request(undone, { method: 'POST' });
          await this.refresh();
        }]);
        await this.refresh();
      } catch (error) {
        this.admin.say(error.message, true);
      }
    });
    this.admin.main.focus();
  }

  /** @param {any} entry `null`: a new answer */
  edit(entry, question = '') {
    const fact = entry?.fact;
    const asked = h('input', { type: 'text', maxlength: 200, required: !fact, value: entry?.question ?? question, readonly: fact, autocomplete: 'off' });
    const answer = h('textarea', { rows: 7, maxlength: 8000, required: true });
    answer.value = entry?.answer ?? '';
    const shown = h('div', { class: 'preview', hidden: true });
    const errors = h('p', { class: 'error', role: 'alert', hidden: true });
    const draft = () => ({ question: asked.value, answer: answer.value });
    const failed = (error) => {
      errors.hidden = false;
      errors.replaceChildren(icon('alert'), h('span', null, error.details?.length ? error.details.map((one) => `${one.field} ${one.message}`).join('; ') : error.message));
    };
    const look = button('Preview', () => busy(look, async () => {
      errors.hidden = true;
      try {
        const { document: text } = await this.admin.desk.request('entries/preview', { body: { ...draft(), id: fact ? entry.id : undefined } });
        const body = h('div', { class: 'md', dir: 'auto' });
        render(body, answer.value, {});
        shown.replaceChildren(h('h3', null, 'As divers will read it'), h('p', { dir: 'auto' }, h('strong', null, asked.value)), body,
          h('details', null, h('summary', null, 'The file'), h('pre', { tabindex: '0' }, h('code', null, text))));
        shown.hidden = false;
      } catch (error) {
        failed(error);
      }
    }), '', 'book');
    const publish = h('button', { class: 'button strong', type: 'submit' }, icon('check'), h('span', null, 'Publish'));
    const close = () => {
      this.editor.replaceChildren();
      this.admin.main.focus();
    };
    const form = h('form', { class: 'card editor', submit: (event) => {
      event.preventDefault();
      void busy(publish, async () => {
        errors.hidden = true;
        try {
          const { id } = await this.admin.desk.request(entry ? `entries/${entry.id}` : 'entries', { body: draft(), method: entry ? 'PUT' : 'POST' });
          close();
          this.admin.say('Published. The bot answers from it now.', false, ['Undo', async () => {
            await this.admin.desk.request(`entries/${id}/undo`, { method: 'POST' });
            await this.refresh();
          }]);
          await this.refresh();
        } catch (error) {
          failed(error);
        }
      });
    } },
    h('h2', null, fact ? FACTS[entry.id] : entry ? 'Edit the answer' : 'A new answer'),
    labelled('Question', asked, 'entry-question', fact ? 'The heading of a fact is fixed.' : 'As divers ask it.'),
    labelled('Answer', answer, 'entry-answer', 'Markdown. Whole sentences that say whose they are, such as “At Blue Fin a fun dive costs …”, are quoted best.'),
    errors, h('div', { class: 'row' }, publish, look, button('Cancel', close, 'plain')), shown);
    this.editor.replaceChildren(form);
    (fact || question ? answer : asked).focus();
    form.scrollIntoView({ block: 'nearest' });
  }
}
