// Original file: proto/athanor/v1/model.proto


export interface ModelServiceDeleteResponse {
}

export interface ModelServiceDeleteResponse__Output {
}
