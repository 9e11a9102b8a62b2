/* hash-tree.vala FOLDER: prints what sha256sum prints of each file below it, hashed in threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* Called in a worker thread. */
private bool hash_file (Parallel.Step step, Cancellable? cancellable) throws Error {
  unowned string path = step.input.get_string ();
  var stream = File.new_for_path (path).read (cancellable);
  var checksum = new Checksum (ChecksumType.SHA256);
  uint8 buffer[65536];
  ssize_t n_read;

  /* Each read looks at the cancellable first, so that a step that is stopped ends soon. */
  while ((n_read = stream.read (buffer, cancellable)) > 0)
    checksum.update (buffer, n_read);

  /* What steps write comes out in the order of the inputs, whichever of them ends first. */
  return step.write_text ("%s  %s\n".printf (checksum.get_string (), path));
}

private void add_files_below (string folder, GenericArray<string> paths) throws FileError {
  var dir = Dir.open (folder);
  unowned string? name;

  while ((name = dir.read_name ()) != null) {
    string path = Path.build_filename (folder, name);

    if (FileUtils.test (path, FileTest.IS_SYMLINK))
      continue;
    if (FileUtils.test (path, FileTest.IS_DIR))
      add_files_below (path, paths);
    else if (FileUtils.test (path, FileTest.IS_REGULAR))
      paths.add (path);
  }
}

private async bool hash_tree (string folder) throws Error {
  var runner = new Parallel.BackgroundTaskRunner (new Parallel.FunctionTask (hash_file));
  var paths = new GenericArray<string> ();

  add_files_below (folder, paths);
  paths.sort (strcmp);
  foreach (unowned string path in paths)
    runner.put (path);
  runner.close ();

  try {
    return yield runner.wait_async ();
  } catch (Parallel.RunError.BACKGROUND_FAILURE error) {
    foreach (var step in runner.dup_failures ())
      stderr.printf ("%s: %s\n", step.dup_input_text (), step.error.message);
    return false;
  }
}

private async int main (string[] args) {
  if (args.length != 2) {
    stderr.printf ("usage: hash-tree FOLDER\n");
    return 2;
  }
  try {
    return (yield hash_tree (args[1])) ? 0 : 1;
  } catch (Error error) {
    stderr.printf ("%s\n", error.message);
    return 1;
  }
}
