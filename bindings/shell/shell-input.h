/* shell-input.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The longest argument that Linux takes, MAX_ARG_STRLEN, without its NUL. */
#define SHELL_INPUT_MAX (128 * 1024 - 1)

/* Where the inputs come from, one after another, in bounded memory. Main thread only. */
typedef struct _ShellInput ShellInput;

typedef enum
{
  SHELL_INPUT_READY,    /* here is one */
  SHELL_INPUT_WAIT,     /* shell_input_fill_async() has to get more first */
  SHELL_INPUT_END,      /* there are no more */
  SHELL_INPUT_FAILED    /* nothing more can be read */
} ShellInputResult;

/* @inputs: transfer none, must stay as long as the input. */
ShellInput       *shell_input_new_for_strv (char                **inputs);

/* Takes @fd; @name is for messages. With @skip_comments, empty lines and those that begin with a
 * "#" are passed over. */
ShellInput       *shell_input_new_for_fd   (int                   fd,
                                            const char           *name,
                                            char                  separator,
                                            gboolean              skip_comments);

/* Opens @path, so that a file that cannot be read is found before anything runs. */
ShellInput       *shell_input_open         (const char           *path,
                                            char                  separator,
                                            gboolean              skip_comments,
                                            GError              **error);
ShellInput       *shell_input_ref          (ShellInput           *self);
void              shell_input_unref        (ShellInput           *self);

/* What comes next; @text is for the caller to free, and has any bytes but NUL. */
ShellInputResult  shell_input_next         (ShellInput           *self,
                                            char                **text,
                                            GError              **error);

/* Reads more. An error is told by the next shell_input_next(). */
void              shell_input_fill_async   (ShellInput           *self,
                                            GCancellable         *cancellable,
                                            GAsyncReadyCallback   callback,
                                            gpointer              user_data);
void              shell_input_fill_finish  (ShellInput           *self,
                                            GAsyncResult         *result);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShellInput, shell_input_unref)

G_END_DECLS
