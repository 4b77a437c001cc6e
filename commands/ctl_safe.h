#ifndef QM_CTL_SAFE_H
#define QM_CTL_SAFE_H

/* What strangers wrote, on an operator's terminal: without control characters. */

/* Line by line, each behind the indent. Nothing for "". */
void ctl_print_safely(const char *indent, const char *text);
/* "Name       text"; nothing when the text is "". */
void ctl_print_field(const char *name, const char *text);

#endif
