// Progress of a job as lines for a person.

package athanor

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"athanor/client/gen/athanorv1"
)

// Shown first and in this order, under short names.
var shownMetrics = []struct{ name, short string }{
	{"loss", "loss"},
	{"relativeError", "error"},
	{"learningRate", "lr"},
	{"tokensPerSecond", "tok/s"},
	{"residentBytes", "memory"},
}

// PrintProgress makes an observer for [Job.Wait] that writes one line for each progress event.
func PrintProgress(to io.Writer) func(*athanorv1.JobEvent) {
	return func(event *athanorv1.JobEvent) {
		if progress := event.GetProgress(); progress != nil {
			fmt.Fprintln(to, ProgressLine(progress))
		}
	}
}

// ProgressLine is one progress report in one line, for example "distill 3/8  loss=5.214 lr=0.0003  12 s left".
func ProgressLine(progress *athanorv1.JobProgress) string {
	line := progress.GetPhase()
	if progress.GetTotal() > 0 {
		line += fmt.Sprintf(" %d/%d", progress.GetStep(), progress.GetTotal())
	}
	parts := []string{line}
	if metrics := metricTexts(progress.GetMetrics()); len(metrics) > 0 {
		parts = append(parts, strings.Join(metrics, " "))
	}
	if progress.GetItem() != "" {
		parts = append(parts, progress.GetItem())
	}
	if progress.EtaMs != nil {
		left := time.Duration(progress.GetEtaMs() * float64(time.Millisecond))
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	return strings.Join(parts, "  ")
}

func metricTexts(metrics map[string]float64) []string {
	turn := func(name string) int {
		for index, shown := range shownMetrics {
			if shown.name == name {
				return index
			}
		}
		return len(shownMetrics)
	}
	names := slices.SortedFunc(maps.Keys(metrics), func(left, right string) int {
		return cmp.Or(cmp.Compare(turn(left), turn(right)), cmp.Compare(left, right))
	})
	texts := make([]string, len(names))
	for index, name := range names {
		short := name
		if at := turn(name); at < len(shownMetrics) {
			short = shownMetrics[at].short
		}
		if value := metrics[name]; strings.HasSuffix(name, "Bytes") {
			texts[index] = fmt.Sprintf("%s=%.1f MB", short, value/1e6)
		} else {
			texts[index] = fmt.Sprintf("%s=%.4g", short, value)
		}
	}
	return texts
}
