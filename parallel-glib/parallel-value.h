/* parallel-value.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* A value as text that a person can read: strings as they are, made valid UTF-8, all else by
 * g_strdup_value_contents in a bounded length. */
char     *parallel_value_dup_text (const GValue *value);

/* As G_IS_VALUE(), for a value of the library's own: that one also looks whether the type is registered. */
static inline gboolean
parallel_value_is_set (const GValue *value)
{
  return value->g_type != G_TYPE_INVALID;
}

/* Whether there is no value: NULL, or the null of a language that has made a GValue of it. */
gboolean  parallel_value_is_none  (const GValue *value);

/* Whether the value can be freed without calling code that somebody outside of GLib wrote. */
gboolean  parallel_value_is_plain (const GValue *value);

/* As g_set_str() of later GLib versions: whether the field has changed. */
gboolean  parallel_set_string     (char        **field,
                                   const char   *value);

G_END_DECLS
