// Words that have been script elsewhere.

/** Ways in which text has become script elsewhere; each would call `alert` or load from `evil.example`. */
export const NAUGHTY = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<svg onload=alert(1)>', '<svg><script>alert(1)</script></svg>',
  '<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>', '<body onload=alert(1)>', '"><script>alert(1)</script>', "'-alert(1)-'",
  '</script><script>alert(1)</script>', '<details open ontoggle=alert(1)>', '<a href="javascript:alert(1)">x</a>', '<math><mi//xlink:href="data:x,<script>alert(1)</script>">',
  '[x](javascript:alert(1))', '[x](JaVaScRiPt:alert(1))', '[x](java\tscript:alert(1))', '[x](data:text/html,<script>alert(1)</script>)', '[x](vbscript:msgbox(1))',
  '[x](//evil.example/x)', '![x](https://evil.example/pixel.png)', '![x](javascript:alert(1))', '<img src="https://evil.example/pixel.png">', '<link rel=stylesheet href=https://evil.example/x.css>',
  '<style>@import url(https://evil.example/x.css)</style>', '<meta http-equiv=refresh content="0;url=https://evil.example">', '<base href="https://evil.example/">', '<form action=https://evil.example><input name=a></form>',
  '[x](https://evil.example/"onmouseover="alert(1))', '`<img src=x onerror=alert(1)>`', '**<img src=x onerror=alert(1)>**', '| <img src=x onerror=alert(1)> | b |\n| --- | --- |\n| <svg onload=alert(1)> | d |',
  '> <script>alert(1)</script>', '# <script>alert(1)</script>', '- <script>alert(1)</script>', '```\n</code></pre><script>alert(1)</script>\n```',
  '{{constructor.constructor("alert(1)")()}}', '${alert(1)}', '&lt;script&gt;alert(1)&lt;/script&gt;', '\u202e<script>alert(1)</script>', '\u0000<script>alert(1)</script>', '<scr\u0000ipt>alert(1)</scr\u0000ipt>',
  '[1]<img src=x onerror=alert(1)>', '[[1]](javascript:alert(1))', '[x](https://evil.example)<script>alert(1)</script>', '__proto__', 'constructor', 'ﷺ'.repeat(40), '‮test', 'Ω≈ç√∫˜µ≤≥÷', '田中さんにあげて下さい', '👩‍👩‍👧‍👦🏳️‍🌈',
];
