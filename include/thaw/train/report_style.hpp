// The style sheet of a report: colours for light, dark and paper, and a layout from 380 pixels up.
//
// Part of report.hpp; not meant to be included on its own.
#pragma once

namespace thaw::inline v0::detail {

// Pairs of text and background keep a contrast of at least 4.5 to 1, marks of charts 3 to 1.
inline constexpr const char* kReportStyle = R"css(
:root { color-scheme: light dark;
  --page:#f6f7f9; --card:#ffffff; --ink:#1a2029; --soft:#5a6473; --rule:#dfe3e8; --grid:#e8ebef;
  --model:#1f63c4; --baseline:#93a3b8; --reference:#c9bfa8; --optimum:#0b7a63; --heat:#1750a8; --heat-below:#b4411d;
  --on-heat:#ffffff; --good:#0a6b45; --good-bg:#e6f4ec; --bad:#9c2b16; --bad-bg:#fdece7; --level:#6b5310;
  --level-bg:#fbf3da; --s0:#1f63c4; --s1:#c2560c; --s2:#0b7a63; --s3:#7d46b3; --s4:#b3305c; --s5:#6d6a0a; }
@media (prefers-color-scheme: dark) { :root {
  --page:#12161c; --card:#1a2028; --ink:#e6eaf0; --soft:#a0abba; --rule:#323b48; --grid:#29313c;
  --model:#64a5ff; --baseline:#66758a; --reference:#7d7358; --optimum:#3fc9a4; --heat:#6fb0ff; --heat-below:#ff9a70;
  --on-heat:#0b1320; --good:#6fd6a2; --good-bg:#15302a; --bad:#ffab95; --bad-bg:#3a201b; --level:#e5c971;
  --level-bg:#332b16; --s0:#64a5ff; --s1:#f59a57; --s2:#3fc9a4; --s3:#bd95ee; --s4:#f488ac; --s5:#cfca55; } }
@media print { :root { color-scheme: light;
  --page:#ffffff; --card:#ffffff; --ink:#000000; --soft:#444c57; --rule:#c5cad2; --grid:#e2e5e9;
  --model:#1f63c4; --baseline:#93a3b8; --reference:#c9bfa8; --optimum:#0b7a63; --heat:#1750a8; --heat-below:#b4411d;
  --on-heat:#ffffff; --good:#0a6b45; --good-bg:#e6f4ec; --bad:#9c2b16; --bad-bg:#fdece7; --level:#6b5310;
  --level-bg:#fbf3da; --s0:#1f63c4; --s1:#c2560c; --s2:#0b7a63; --s3:#7d46b3; --s4:#b3305c; --s5:#6d6a0a; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
* { box-sizing:border-box; }
html { -webkit-text-size-adjust:100%; }
body { margin:0; background:var(--page); color:var(--ink); line-height:1.55;
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Helvetica,Arial,sans-serif; }
main,header,footer { max-width:1000px; margin:0 auto; padding:0 24px; }
header { padding-top:44px; }
h1 { font-size:clamp(1.6rem,1.1rem + 2vw,2.3rem); line-height:1.18; margin:0 0 6px; letter-spacing:-.015em;
  text-wrap:balance; }
h2 { font-size:1.3rem; margin:0 0 4px; letter-spacing:-.01em; line-height:1.3; }
h3 { font-size:1.02rem; margin:26px 0 6px; line-height:1.35; }
p { margin:0 0 12px; max-width:72ch; }
.subtitle { color:var(--soft); font-size:1.06rem; }
section { background:var(--card); border:1px solid var(--rule); border-radius:12px; padding:24px 26px; margin:22px 0; }
section .subtitle { font-size:.97rem; max-width:86ch; }
figure { margin:14px 0 0; }
figure + section .subtitle { font-size:.97rem; max-width:86ch; }
figure { margin-top:30px; }
figcaption { color:var(--soft); font-size:.9rem; margin-top:8px; max-width:80ch; }
.verdict { border-left:5px solid var(--soft); border-radius:8px; padding:14px 18px; margin:20px 0 0;
  background:var(--card); font-size:1.05rem; }
.verdict p { margin:0; max-width:92ch; text-wrap:pretty; } .verdict p + p { margin-top:8px; }
.verdict.ahead { background:var(--good-bg); border-color:var(--good); }
.verdict.behind { background:var(--bad-bg); border-color:var(--bad); }
.verdict.level { background:var(--level-bg); border-color:var(--level); }
.verdict .call { font-weight:700; }
.verdict p:first-child { text-wrap:balance; }
.call.ahead { color:var(--good); } .call.behind { color:var(--bad); } .call.level { color:var(--level); }
.facts { display:grid; grid-template-columns:repeat(auto-fit,minmax(130px,1fr)); gap:12px; margin:20px 0 0; padding:0; }
.facts div { background:var(--card); border:1px solid var(--rule); border-radius:10px; padding:10px 14px; }
.facts dt { color:var(--soft); font-size:.82rem; } .facts dd { margin:0; font-size:1.22rem; font-weight:650;
  font-variant-numeric:tabular-nums; overflow-wrap:anywhere; }
.chart { display:block; width:100%; height:auto; font-family:inherit; overflow:visible; }
.chart text { fill:var(--ink); font-size:12.5px; }
.chart .tick { fill:var(--soft); font-variant-numeric:tabular-nums; } .chart .small { font-size:10.5px; }
.chart .head { font-weight:650; font-size:13.5px; } .chart .strong { font-weight:650; }
.chart .number { font-variant-numeric:tabular-nums; fill:var(--soft); }
.chart .number.model { fill:var(--ink); font-weight:650; }
.chart .halo { paint-order:stroke; stroke:var(--card); stroke-width:4px; stroke-linejoin:round; font-weight:600; }
.chart .outlined { paint-order:stroke; stroke:var(--card); stroke-width:3px; stroke-linejoin:round; }
.grid { stroke:var(--grid); stroke-width:1; } .axis { stroke:var(--soft); stroke-width:1; }
.curve { fill:none; stroke-width:2.2; stroke-linejoin:round; stroke-linecap:round; }
.raw { fill:none; stroke-width:1; opacity:.28; stroke-linejoin:round; }
.dot { stroke:var(--card); stroke-width:1.5; } .ring { fill:none; stroke-width:2; }
)css"
                                            R"css(
.s0 { --c:var(--s0); } .s1 { --c:var(--s1); } .s2 { --c:var(--s2); }
.s3 { --c:var(--s3); } .s4 { --c:var(--s4); } .s5 { --c:var(--s5); }
.curve,.raw,.ring { stroke:var(--c); } .dot { fill:var(--c); }
.bar.model { fill:var(--model); } .bar.baseline { fill:var(--baseline); } .bar.reference { fill:var(--reference); }
.whisker { stroke:var(--ink); stroke-width:1.3; }
.optimum { stroke:var(--optimum); stroke-width:2; stroke-dasharray:5 4; }
.chart .optimum-text { fill:var(--optimum); font-weight:600; }
.cell { fill:var(--heat); } .cell.below { fill:var(--heat-below); } .cell.missing { fill:var(--rule); }
.chart .in-cell { font-size:11px; font-variant-numeric:tabular-nums; } .chart .on-strong { fill:var(--on-heat); }
.chart .cell:hover,.chart .bar:hover { stroke:var(--ink); stroke-width:1.5; }
.key { display:flex; flex-wrap:wrap; gap:4px 18px; list-style:none; margin:12px 0 0; padding:0; font-size:.88rem;
  color:var(--soft); }
.key i { display:inline-block; width:22px; height:11px; margin-right:7px; border-radius:2px; }
.key .model { background:var(--model); } .key .baseline { background:var(--baseline); }
.key .reference { background:var(--reference); }
.key .dashed { height:0; border-top:2px dashed var(--optimum); border-radius:0; vertical-align:middle; }
.key .spread { height:9px; border:solid var(--ink); border-width:0 1.5px; border-radius:0;
  background:linear-gradient(var(--ink),var(--ink)) center/100% 1.5px no-repeat; }
.narrow { display:none; }
.scroll { overflow-x:auto; position:relative; } .scroll:focus-visible { outline:2px solid var(--model); outline-offset:3px; }
table { border-collapse:collapse; width:100%; font-size:.93rem; font-variant-numeric:tabular-nums; }
h3 + .note { color:var(--soft); font-size:.9rem; margin-bottom:6px; }
caption { position:absolute; width:1px; height:1px; overflow:hidden; clip-path:inset(50%); }
th,td { padding:7px 12px 7px 0; text-align:right; border-bottom:1px solid var(--grid); vertical-align:top; }
th:first-child,td:first-child { text-align:left; } th:last-child,td:last-child { padding-right:0; }
thead th { color:var(--soft); font-weight:600; border-bottom:1px solid var(--soft); white-space:nowrap; }
tbody th { font-weight:400; } tbody td { white-space:nowrap; }
tr.model th { font-weight:650; } tr.model th::before { content:""; display:inline-block; width:8px; height:8px;
  border-radius:50%; background:var(--model); margin-right:8px; vertical-align:1px; }
tr.reference { color:var(--soft); font-style:italic; }
.spread-number { color:var(--soft); font-size:.86em; } td b { font-weight:750; }
tfoot th,tfoot td { border-bottom:0; border-top:1px solid var(--soft); font-weight:400; }
tfoot .interval { display:block; color:var(--soft); font-size:.84em; }
.badge { display:inline-block; border-radius:20px; padding:0 9px; font-size:.82rem; font-weight:650; white-space:nowrap; }
.badge.ahead,.up { color:var(--good); } .badge.ahead { background:var(--good-bg); }
.badge.behind { color:var(--bad); background:var(--bad-bg); } .badge.level { color:var(--level);
  background:var(--level-bg); } .badge.unknown { color:var(--soft); background:var(--grid); }
.columns { display:grid; grid-template-columns:repeat(auto-fit,minmax(250px,1fr)); gap:8px 32px; margin-top:6px; }
.columns h3 { margin-top:12px; } .columns > div { min-width:0; }
.ranks { list-style:none; margin:0; padding:0; }
.ranks li { display:grid; grid-template-columns:1.9em minmax(0,1fr) auto; gap:8px; padding:5px 0;
  border-bottom:1px solid var(--grid); font-size:.93rem; }
.ranks.rated li { grid-template-columns:minmax(0,1fr) auto; }
.ranks .place { color:var(--soft); text-align:right; font-variant-numeric:tabular-nums; }
.ranks .name { overflow-wrap:anywhere; } .ranks small { color:var(--soft); display:block; line-height:1.35; }
.ranks .mark { font-variant-numeric:tabular-nums; font-size:.86rem; white-space:nowrap; }
.down,.same { color:var(--soft); } .fresh { color:var(--model); font-weight:650; }
.stars { font-size:.8rem; color:var(--soft); white-space:nowrap; font-variant-numeric:tabular-nums; }
.stars i { display:inline-block; height:8px; width:60px; border-radius:4px; margin-right:7px; border:1px solid var(--rule);
  background:linear-gradient(var(--model),var(--model)) 0/var(--share) 100% no-repeat var(--grid); }
.empty { color:var(--soft); border:1px dashed var(--rule); border-radius:8px; padding:18px; text-align:center;
  max-width:none; margin:10px 0 0; }
footer { color:var(--soft); font-size:.88rem; padding-bottom:48px; } footer h2 { color:var(--ink); }
.source { display:grid; grid-template-columns:minmax(90px,max-content) minmax(0,1fr); gap:4px 20px; margin:10px 0 0; }
.source dt { font-weight:600; } .source dd { margin:0; overflow-wrap:anywhere; }
code,pre { font:0.92em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace; }
pre { background:var(--page); border:1px solid var(--rule); border-radius:8px; padding:12px 14px; overflow-x:auto;
  color:var(--ink); white-space:pre-wrap; overflow-wrap:anywhere; margin:8px 0 0; }
@media (max-width:640px) {
  main,header,footer { padding-left:14px; padding-right:14px; } header { padding-top:24px; }
  section { padding:18px 16px; border-radius:10px; } .wide { display:none; } .narrow { display:block; }
  .facts { grid-template-columns:repeat(2,1fr); } .source { grid-template-columns:1fr; gap:0; }
  .source dd { margin-bottom:8px; }
  table { font-size:.8rem; } .spread-number { display:block; } th,td { padding-right:7px; } tr.model th::before { margin-right:5px; } }
@media print { body { font-size:11pt; } section { border:0; padding:0; margin:20px 0; break-inside:auto; }
  main,header,footer { max-width:none; padding:0; } figure,table,.ranks li,.verdict { break-inside:avoid; }
  h2,h3 { break-after:avoid; } .wide { display:block; } .narrow { display:none; } .scroll { overflow:visible; } }
)css";

}  // namespace thaw::inline v0::detail
