/* convert-folder.vala SOURCE DEST: converts each file of a folder, by a program per file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Of the regular files in a folder, sorted. */
private GenericArray<string> list_names (string folder) throws FileError {
  var names = new GenericArray<string> ();
  var dir = Dir.open (folder);
  unowned string? name;

  while ((name = dir.read_name ()) != null)
    if (FileUtils.test (Path.build_filename (folder, name), FileTest.IS_REGULAR))
      names.add (name);
  names.sort (strcmp);
  return names;
}

private async bool convert_folder (string source, string dest) throws Error {
  var names = list_names (source);
  var steps = new GenericArray<Parallel.Step> ();
  bool succeeded = true;

  /* One task for all of them: in it, each {} stands for the input of a step, which is a name. */
  var task = new Parallel.CommandTask ({
    "iconv", "-f", "UTF-8", "-t", "ISO-8859-15",
    "-o", Path.build_filename (dest, "{}"), Path.build_filename (source, "{}")
  });
  foreach (unowned string name in names)
    steps.add (new Parallel.Step (task, name));

  try {
    /* As many at once as there are processors, and a failure does not stop the others. */
    yield Parallel.run_steps_async (steps, 0, false);
  } catch (Parallel.RunError.BACKGROUND_FAILURE error) {
    succeeded = false;
  }
  for (int i = 0; i < steps.length; i++)
    print_outcome (names[i], steps[i]);
  return succeeded;
}

private void print_outcome (string name, Parallel.Step step) {
  bool failed = step.state == Parallel.StepState.FAILED;

  stdout.printf ("%s: %s\n", name, failed ? "failed" : "converted");
  /* A program that was killed, or could not be started, has no exit status. */
  if (failed && step.exit_status != -1)
    stderr.printf ("%s: exit status %d\n", name, step.exit_status);
  else if (failed)
    stderr.printf ("%s: %s\n", name, step.error.message);
}

private async int main (string[] args) {
  if (args.length != 3) {
    stderr.printf ("usage: convert-folder SOURCE DEST\n");
    return 2;
  }
  try {
    return (yield convert_folder (args[1], args[2])) ? 0 : 1;
  } catch (Error error) {
    stderr.printf ("%s\n", error.message);
    return 1;
  }
}
