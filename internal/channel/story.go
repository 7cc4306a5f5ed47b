package channel

import (
	"slices"

	"github.com/surefoot-rpc/surefoot/observe"
)

// A call that goes on until its deadline may make hundreds of attempts. Its story
// is how it began and how it ended: the first of the attempts and the last ones
// that are over. That is more than other calls may make, but where many endpoints
// are lost at once.
const toldFirst, toldLast = 8, 8

// tell adds an attempt that is over to the story.
func (t *trouble) tell(a observe.Attempt) {
	if len(t.story) == toldFirst+toldLast {
		t.story = slices.Delete(t.story, toldFirst, toldFirst+1)
		t.omitted++
	}
	t.story = append(t.story, a)
}

// story returns the attempts that are over, but for those that it omits.
func (s *callState) story() []observe.Attempt {
	if s.trouble == nil {
		return nil
	}
	return s.trouble.story
}
