// Folders on the client's side: read in chunks for an upload, written whole or not at all for an export.

package athanor

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
)

const chunkBytes = 1 << 20

// What a Hugging Face folder needs to hold; READMEs, pickles and other formats stay at home.
var (
	uploaded = []string{"*.json", "*.safetensors", "merges.txt", "vocab.txt"}
	pickles  = []string{"*.bin", "*.pt", "*.pth", "*.ckpt"}
)

// filesToUpload names the files of a Hugging Face folder: the config first, so that a server which refuses it does so before the
// weights travel.
func filesToUpload(folder string) ([]string, error) {
	if info, err := os.Stat(folder); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder on this machine; for a folder on the server use Import", folder)
	}
	files := matching(folder, uploaded)
	if !slices.ContainsFunc(files, func(name string) bool { return filepath.Ext(name) == ".safetensors" }) {
		if refused := matching(folder, pickles); len(refused) > 0 {
			return nil, &Error{Code: "pickle_refused", Status: codes.InvalidArgument, Message: fmt.Sprintf(
				"[pickle_refused] %s: %s is a pickle, which can run code when it is read, and there is no .safetensors file."+
					" Convert the checkpoint to safetensors.", folder, refused[0])}
		}
	}
	turn := func(name string) int {
		switch {
		case name == "config.json":
			return 0
		case filepath.Ext(name) == ".safetensors":
			return 2
		}
		return 1
	}
	slices.SortFunc(files, func(left, right string) int {
		return cmp.Or(cmp.Compare(turn(left), turn(right)), cmp.Compare(left, right))
	})
	return files, nil
}

func matching(folder string, patterns []string) []string {
	var names []string
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(folder, entry.Name())) // follows links, as snapshots of checkpoints have them
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if slices.ContainsFunc(patterns, func(pattern string) bool { ok, _ := filepath.Match(pattern, entry.Name()); return ok }) {
			names = append(names, entry.Name())
		}
	}
	return names
}

type uploadStream interface {
	Send(*athanorv1.ModelServiceImportUploadRequest) error
}

func sendFile(stream uploadStream, folder, name string) error {
	file, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := uint64(info.Size())
	for offset := uint64(0); ; {
		// A new buffer for each chunk: gRPC may still hold the last one.
		data := make([]byte, min(chunkBytes, size-offset))
		if _, err := io.ReadFull(file, data); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return &Error{Code: "bad_data", Status: codes.InvalidArgument, Message: fmt.Sprintf(
					"[bad_data] %s: the file shrank while it was sent (after %d of %d bytes).", name, offset, size)}
			}
			return err
		}
		chunk := &athanorv1.FileChunk{FileName: name, OffsetBytes: offset, Data: data, FileSizeBytes: size}
		part := &athanorv1.ModelServiceImportUploadRequest_Chunk{Chunk: chunk}
		if err := stream.Send(&athanorv1.ModelServiceImportUploadRequest{Part: part}); err != nil {
			return err
		}
		if offset += uint64(len(data)); offset >= size {
			return nil
		}
	}
}

// folderWriter receives the chunks of an export into a temporary folder beside the target, which finish renames into place.
type folderWriter struct {
	target, scratch string
	file            *os.File
	name            string
	written, size   uint64
	complete        map[string]bool
}

func newFolderWriter(target string) (*folderWriter, error) {
	if entries, err := os.ReadDir(target); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty; choose another folder", target)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	target, err := filepath.Abs(target)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(target), "."+filepath.Base(target)+".*.partial")
	if err != nil {
		return nil, err
	}
	return &folderWriter{target: target, scratch: scratch, complete: map[string]bool{}}, nil
}

func (w *folderWriter) write(chunk *athanorv1.FileChunk) error {
	if w.file == nil || chunk.GetFileName() != w.name {
		if err := w.open(chunk); err != nil {
			return err
		}
	}
	end := w.written + uint64(len(chunk.GetData()))
	if chunk.GetOffsetBytes() != w.written || chunk.GetFileSizeBytes() != w.size || end > w.size {
		return damaged("%q: a chunk of %d bytes starts at byte %d of %d, but %d of %d were received.",
			w.name, len(chunk.GetData()), chunk.GetOffsetBytes(), chunk.GetFileSizeBytes(), w.written, w.size)
	}
	w.written = end
	_, err := w.file.Write(chunk.GetData())
	return err
}

func (w *folderWriter) open(chunk *athanorv1.FileChunk) error {
	if err := w.closeFile(); err != nil {
		return err
	}
	name := chunk.GetFileName()
	if !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, "\\:\x00") || name == "." {
		return &Error{Code: "unsafe_file_name", Status: codes.DataLoss, Details: map[string]string{"fileName": name}, Message: fmt.Sprintf(
			"[unsafe_file_name] export: the server sent a file named %q, which would lie outside the folder."+
				" Nothing was written; do not trust this server.", name)}
	}
	if w.complete[name] {
		return damaged("%q: the file was sent twice.", name)
	}
	path := filepath.Join(w.scratch, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	w.file, w.name, w.written, w.size = file, name, 0, chunk.GetFileSizeBytes()
	return err
}

func (w *folderWriter) closeFile() error {
	if w.file == nil {
		return nil
	}
	if w.written != w.size {
		return damaged("%q: %d of %d bytes were received.", w.name, w.written, w.size)
	}
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file, w.complete[w.name] = nil, true
	return err
}

func (w *folderWriter) finish() error {
	if err := w.closeFile(); err != nil {
		return err
	}
	if len(w.complete) == 0 {
		return damaged("to %q: the server sent no file.", w.target)
	}
	// MkdirTemp's folder is for the owner alone; a new folder of this one's rights would be 0o777 less the umask.
	if err := os.Chmod(w.scratch, 0o755); err != nil {
		return err
	}
	if err := os.Remove(w.target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(w.scratch, w.target)
}

// discard removes what was received, unless finish has put it in place.
func (w *folderWriter) discard() {
	if w.file != nil {
		w.file.Close()
	}
	os.RemoveAll(w.scratch)
}

func damaged(format string, values ...any) error {
	return &Error{Code: "bad_artefact", Status: codes.DataLoss, Message: "[bad_artefact] export " + fmt.Sprintf(format, values...) + " Export again."}
}
