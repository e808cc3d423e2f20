"""The style of the pages that are printed and handed out: A4, one column of tables, a map and facts beside it."""

__all__ = ["NARROW_STYLE", "PRINT_STYLE"]

PRINT_STYLE = """
@page { size: A4; margin: 14mm 12mm }
:root { color-scheme: light }
body { font: 10pt/1.4 "Source Sans 3", "Segoe UI", system-ui, sans-serif; color: #23211c; background: #fff;
  max-width: 186mm; margin: 8mm auto; padding: 0 4mm }
header { border-bottom: 2px solid #5c1a33; padding-bottom: 2mm; display: flex; justify-content: space-between;
  align-items: end; gap: 6mm }
h2 { font-size: 11.5pt; margin: 5mm 0 1.5mm; color: #5c1a33 }
h2.first { margin-top: 0 }
header p { margin: 1mm 0 0 } .when { text-align: right; white-space: nowrap; color: #5d584c }
svg { width: 100%; height: auto } svg .n { font: 7px system-ui, sans-serif; fill: #23211c }
table { border-collapse: collapse; width: 100%; font-size: 8.6pt } thead { display: table-header-group }
th { text-align: left; border-bottom: 1px solid #5c1a33; padding: 1mm 1.5mm 1mm 0; font-weight: 600 }
td { border-bottom: .4px solid #dcd7ca; padding: .9mm 1.5mm .9mm 0; vertical-align: top }
.r { text-align: right; font-variant-numeric: tabular-nums } tr { break-inside: avoid }
ul { margin: 0; padding-left: 4.5mm } li { margin-bottom: .7mm } .why { color: #5d584c }
footer { margin-top: 4mm; border-top: .5px solid #b8b2a2; padding-top: 1.5mm; font-size: 8pt; color: #5d584c }
"""
"""Goes first; the page adds its own sizes."""

NARROW_STYLE = """
@media (max-width: 640px) { .top { grid-template-columns: 1fr } header { display: block } .when { text-align: left }
  .scroll { overflow-x: auto } }
"""
"""Goes last, since it overrides them on a narrow screen."""
