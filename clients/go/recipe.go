// Recipes, in the forms that a request may hold them in.

package athanor

import (
	"fmt"

	"athanor/client/gen/athanorv1"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Recipe is what a compression does, in order: made by [Steps], [RecipeMessage], [RecipeYAML] or [RecipeName].
type Recipe func(*athanorv1.CompressSpec) error

// Steps is a recipe of these steps, each a message such as *athanorv1.LowRank, *athanorv1.Quantize or *athanorv1.Distill.
func Steps(methods ...proto.Message) Recipe {
	return func(spec *athanorv1.CompressSpec) error {
		recipe := &athanorv1.Recipe{}
		for index, method := range methods {
			step, err := stepOf(method)
			if err != nil {
				return &Error{Code: "bad_recipe", Status: codes.InvalidArgument, Message: fmt.Sprintf("[bad_recipe] recipe: \"steps[%d]\": %v", index, err)}
			}
			recipe.Steps = append(recipe.Steps, step)
		}
		return RecipeMessage(recipe)(spec)
	}
}

// RecipeMessage is a recipe as the server's message, for those that set its seed.
func RecipeMessage(recipe *athanorv1.Recipe) Recipe {
	return func(spec *athanorv1.CompressSpec) error {
		spec.RecipeForm = &athanorv1.CompressSpec_Recipe{Recipe: recipe}
		return nil
	}
}

// RecipeYAML is a recipe as YAML or JSON text; the server names the field of a mistake, misspelt ones included.
func RecipeYAML(text string) Recipe {
	return func(spec *athanorv1.CompressSpec) error {
		spec.RecipeForm = &athanorv1.CompressSpec_RecipeYaml{RecipeYaml: text}
		return nil
	}
}

// RecipeName is a recipe that comes with the server: "default", "distilbert", "distilgpt2", "minilm", "tinybert" or "tqcompressor".
func RecipeName(name string) Recipe {
	return func(spec *athanorv1.CompressSpec) error {
		spec.RecipeForm = &athanorv1.CompressSpec_RecipeName{RecipeName: name}
		return nil
	}
}

// stepOf puts a method's message into the member of the step that has its type, so that new methods need no code here.
func stepOf(method proto.Message) (*athanorv1.RecipeStep, error) {
	if method == nil || !method.ProtoReflect().IsValid() {
		return nil, fmt.Errorf("is nil; give a method's message")
	}
	step := &athanorv1.RecipeStep{}
	members := step.ProtoReflect().Descriptor().Oneofs().ByName("method").Fields()
	for index := range members.Len() {
		if member := members.Get(index); member.Message().FullName() == method.ProtoReflect().Descriptor().FullName() {
			step.ProtoReflect().Set(member, protoreflect.ValueOfMessage(method.ProtoReflect()))
			return step, nil
		}
	}
	return nil, fmt.Errorf("%s is no method of a recipe", method.ProtoReflect().Descriptor().Name())
}
