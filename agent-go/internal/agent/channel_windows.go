package agent

import "os"

// channel is the descriptor that a link writes to. On Windows, all is written by the goroutine that
// may wait.
type channel struct {
	file *os.File
}

func newChannel(file *os.File) *channel {
	return &channel{file}
}

func (c *channel) tryWrite(data []byte) (int, error) {
	return 0, nil
}

func (c *channel) write(data []byte) error {
	_, err := c.file.Write(data)
	return err
}

// input is the descriptor that a link reads from.
type input struct {
	*os.File
}

func newInput(file *os.File) *input {
	return &input{file}
}
